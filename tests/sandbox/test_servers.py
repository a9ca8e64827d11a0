import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from scorer.errors import Fatal
from scorer.sandbox import Kafka, Proxy, Redis, freeze
from scorer.sandbox import server as ports
from scorer.sandbox.server import free_port
from tests.conftest import MakeTopic, topic_maker


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    refused: list[KafkaError] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(30) == 0
    if refused:
        raise KafkaException(refused[0])


def read(bootstrap: str, topic: str, count: int, protocol: str = "classic") -> list[bytes | None]:
    group = {"group.id": uuid.uuid4().hex, "group.protocol": protocol, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": bootstrap, **group})
    consumer.subscribe([topic])
    messages = consumer.consume(count, 30)
    consumer.close()
    return [message.value() for message in messages if message.error() is None]


@pytest.mark.prove
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_records_pass_through_kafka_in_either_group_protocol(
    kafka: Kafka, make_topic: MakeTopic, protocol: str
) -> None:
    topic = make_topic("words")
    write(kafka.bootstrap, topic, [b"one", b"two"])
    assert read(kafka.bootstrap, topic, 2, protocol) == [b"one", b"two"]


@pytest.mark.prove
def test_kafka_recovers_from_a_crash_with_its_records_and_address(own_kafka: Kafka) -> None:
    topic = topic_maker(own_kafka.bootstrap)("words")
    write(own_kafka.bootstrap, topic, [b"one"])
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.start()
    assert read(own_kafka.bootstrap, topic, 1) == [b"one"]


def test_redis_recovers_from_a_crash_with_its_values_and_address(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("plane:N1", "150")
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        own_redis.start()
        assert client.get("plane:N1") == b"150"


def test_a_paused_server_is_silent_and_continues_when_resumed(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url, socket_timeout=0.2, retry=None) as client:
        client.ping()
        own_redis.pause()
        assert own_redis.running
        with pytest.raises(redis.TimeoutError):
            client.ping()
        own_redis.resume()
        assert client.ping()


def test_a_paused_server_can_be_stopped(own_redis: Redis) -> None:
    own_redis.pause()
    own_redis.stop()
    assert not own_redis.running


def test_properties_reach_the_broker_and_clients_are_sent_to_the_advertised_port(tmp_path: Path) -> None:
    port = free_port()
    server = Kafka(tmp_path, {"message.max.bytes": "12345"}, advertised_port=port)
    with server, Proxy(server.address, port):
        topic = topic_maker(server.bootstrap)("words")
        write(server.bootstrap, topic, [b"one"])
        with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
            write(server.bootstrap, topic, [bytes(20_000)])
    assert server.bootstrap == f"127.0.0.1:{port}"
    assert server.address != server.bootstrap


def test_a_server_that_does_not_start_is_reported_with_the_reason(tmp_path: Path) -> None:
    server = Kafka(tmp_path, {"log.retention.hours": "soon"})
    with pytest.raises(Fatal, match=r"(?s)Kafka did not start.*log\.retention\.hours"):
        server.start()
    assert not server.running


def test_a_port_in_use_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Fatal, match=f"Redis: port {port} on 127.0.0.1 is taken"):
            Redis(tmp_path, port)


def test_a_free_port_is_allocated_only_once() -> None:
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)


def test_a_port_and_its_twin_are_allocated_together_below_the_ephemeral_ports() -> None:
    given = [free_port(10_000) for _ in range(50)]
    twins = [port + 10_000 for port in given]
    assert max(twins) < 32_768
    assert not {*given, *twins} & {free_port() for _ in range(200)}


def test_a_port_whose_twin_is_in_use_is_not_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port(10_000)
    monkeypatch.setattr(ports, "_given", {port + 10_000})
    monkeypatch.setattr("random.sample", lambda *_: [port])
    with pytest.raises(Fatal, match="no free port"):
        free_port(10_000)


def test_a_port_allocated_by_another_process_is_not_allocated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_given", set())  # the other process may get a port that this one had before
    code = "from scorer.sandbox.server import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        taken = ports._claim(port)
        other.communicate(b"\n")
    assert not taken
    assert ports._claim(port)


def test_servers_report_their_versions(kafka: Kafka, redis_server: Redis) -> None:
    assert kafka.version == "Apache Kafka 4.1.0"
    with redis.Redis.from_url(redis_server.url) as client:
        info = client.info("server")
    brand, _, version = redis_server.version.partition(" ")
    assert brand in {"Redis", "Valkey"}
    assert version == info["valkey_version" if brand == "Valkey" else "redis_version"]


BUSY = """
import threading
for _ in range(8):
    threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()
print(flush=True)
threading.Event().wait()
"""


def states(process: int) -> set[str]:
    threads = Path(f"/proc/{process}/task").glob("*/stat")
    return {file.read_text().rpartition(")")[2].split()[0] for file in threads}


def test_a_frozen_process_is_stopped_in_every_thread_or_has_exited() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as busy:
        assert busy.stdout
        busy.stdout.readline()
        seen = set()
        for _ in range(20):
            freeze(busy)
            seen |= states(busy.pid)
            busy.send_signal(signal.SIGCONT)
        freeze(busy)
        freeze(busy)
        busy.kill()
        freeze(busy)
    assert seen == {"T"}
    assert busy.returncode == -signal.SIGKILL
