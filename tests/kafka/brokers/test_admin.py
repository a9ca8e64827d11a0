from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from scorer.errors import Fatal, Misconfigured, Unavailable
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.brokers.groups import PROBE, TRIES
from scorer.kafka.brokers.topics import Topic
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings

LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SASL = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": f'{LOGIN} username="a" password="a" user_a="a" user_guest="g";',
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:a;User:ANONYMOUS",
}


@pytest.fixture
def admin(kafka_settings: KafkaSettings) -> Admin:
    return Admin(kafka_settings)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that requires a password, and allows only its administrator any operation."""
    with Kafka(tmp_path_factory.mktemp("sasl"), SASL) as server:
        yield server.bootstrap


def login(bootstrap: str, user: str, password: str) -> Admin:
    given = {"sasl_mechanism": "PLAIN", "sasl_username": user, "sasl_password": password}
    return Admin(settings(bootstrap, security_protocol="sasl_plaintext", **given), seconds=5)


def test_topics_are_described_and_missing_ones_omitted(admin: Admin, make_topic: MakeTopic) -> None:
    name = make_topic("flights", partitions=3, max_message_bytes="5000")
    found = admin.topics([name, f"{name}-absent", name])
    assert list(found) == [name]
    assert (found[name].partitions, found[name].replicas) == (3, 1)
    assert found[name].config == {
        "max.message.bytes": "5000",
        "retention.ms": "604800000",
        "cleanup.policy": "delete",
        "min.insync.replicas": "1",
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(2**63 - 1),
        "message.timestamp.after.max.ms": "3600000",
    }


def test_creating_topics_is_idempotent_and_returns_the_new_ones(admin: Admin) -> None:
    one, two = (Topic(f"made-{uuid4().hex}", 2), Topic(f"made-{uuid4().hex}", 5, config={"retention.ms": "-1"}))
    assert admin.create([one]) == [one.name]
    assert admin.create([one, two]) == [two.name]
    assert admin.create([]) == []
    found = admin.topics([one.name, two.name])
    assert (found[one.name].partitions, found[two.name].partitions) == (2, 5)
    assert found[two.name].config["retention.ms"] == "-1"


def test_a_topic_that_the_brokers_refuse_is_reported_with_the_reason(admin: Admin) -> None:
    with pytest.raises(Fatal, match=r"cannot create topic bad: .*replication factor of 3"):
        admin.create([Topic("bad", 1, replicas=3)])


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_lag_is_counted_in_offsets_by_partition_with_its_member(
    admin: Admin, kafka_settings: KafkaSettings, make_topic: MakeTopic, protocol: str
) -> None:
    name, group = make_topic("flights", partitions=2), kafka_settings.group_id
    fill(kafka_settings, name, [5, 7])
    topics = list(admin.topics([name]).values())
    fresh = admin.lag(group, topics, "earliest")
    assert [(p.committed, p.end, p.lag, p.member) for p in fresh.partitions] == [(None, 5, 5, None), (None, 7, 7, None)]
    assert admin.lag(group, topics, "latest").total == 0

    servers = {"bootstrap.servers": kafka_settings.bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    consumer = Consumer({**servers, "group.protocol": protocol})
    try:
        consumer.subscribe([name])
        while len(consumer.assignment()) < 2:
            consumer.poll(0.1)
        consumer.commit(offsets=[TopicPartition(name, 0, 3)], asynchronous=False)
        lag = admin.lag(group, topics, "earliest")
        assert [(p.topic, p.partition, p.committed, p.end, p.lag) for p in lag.partitions] == [
            (name, 0, 3, 5, 2),
            (name, 1, None, 7, 7),
        ]
        assert admin.lag(group, topics, "latest").total == 9, "a partition that was added begins at its first record"
        assert (lag.total, lag.group, lag.state) == (9, group, "stable")
        assert {p.member for p in lag.partitions} == {consumer.memberid()}
        assert {p.host for p in lag.partitions} == {"127.0.0.1"}
    finally:
        consumer.close()


def test_the_first_request_about_a_group_waits_for_its_coordinator(own_kafka: Kafka) -> None:
    admin = Admin(settings(own_kafka.bootstrap), seconds=20)
    admin.create([Topic("flights", 1)])
    assert admin.lag("delays", admin.topics(["flights"]).values(), "earliest").state == "dead"


CRASHES = """
import os, pathlib, runpy, sys
there = pathlib.Path(__file__).with_name("crashed")
with there.open("a") as crashes:
    crashes.write("x")
if there.stat().st_size <= {times}:
    os.abort()
sys.argv = [{probe!r}]
runpy.run_path({probe!r}, run_name="__main__")
"""


@pytest.mark.parametrize("times", [2, 1_000])
def test_a_client_that_crashes_on_a_request_about_a_group_is_replaced(
    admin: Admin, make_topic: MakeTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    script = tmp_path / "probe.py"
    script.write_text(CRASHES.format(times=times, probe=str(PROBE)))
    monkeypatch.setattr("scorer.kafka.brokers.groups.PROBE", script)
    topics = admin.topics([make_topic("flights")]).values()
    if times < TRIES:
        assert admin.lag("delays", topics, "earliest").state == "dead"
    else:
        with pytest.raises(Unavailable, match="does not answer"):
            admin.lag("delays", topics, "earliest")


def test_records_deleted_by_retention_do_not_count_as_lag(
    admin: Admin, kafka_settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    name = make_topic("flights")
    fill(kafka_settings, name, [10])
    topics = list(admin.topics([name]).values())
    admin._client.delete_records([TopicPartition(name, 0, 6)])[TopicPartition(name, 0, 6)].result()
    assert admin.lag(kafka_settings.group_id, topics, "earliest").total == 4


def test_unreachable_brokers_are_reported_with_the_reason() -> None:
    with pytest.raises(
        Unavailable, match=r"kafka: 127\.0\.0\.1:1 does not answer: .*Connection refused; check kafka\."
    ):
        Admin(settings("127.0.0.1:1"), seconds=0.5).topics(["flights"])


def test_a_broker_that_hangs_is_unavailable_after_the_limit(own_kafka: Kafka) -> None:
    admin = Admin(settings(own_kafka.bootstrap), seconds=1)
    assert admin.topics(["flights"]) == {}
    own_kafka.pause()
    try:
        with pytest.raises(Unavailable, match="does not answer: no reason given"):
            admin.topics(["flights"])
    finally:
        own_kafka.resume()


def test_a_wrong_password_is_reported_as_such(guarded: str) -> None:
    with pytest.raises(Unavailable, match=r"Authentication failed: Invalid username or password; check sasl\.u"):
        login(guarded, "guest", "wrong").topics(["flights"])


def test_a_missing_right_is_reported_as_such(guarded: str) -> None:
    with pytest.raises(Fatal, match=r"User:guest may not see topic flights; grant DESCRIBE on topic flights"):
        login(guarded, "guest", "g").topics(["flights"])
    assert login(guarded, "a", "a").topics(["flights"]) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"), [("no.such", "1", "No such configuration property"), ("ssl.ca.location", "/no", "ca")]
)
def test_a_property_that_the_client_refuses_is_a_configuration_error(name: str, value: str, told: str) -> None:
    wrong = {name: value, "security.protocol": "ssl"}
    with pytest.raises(Misconfigured, match=rf"kafka\.properties: .*{told}"):
        Admin(settings("127.0.0.1:1", **wrong))


def fill(kafka: KafkaSettings, topic: str, records: list[int]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for partition, count in enumerate(records):
        for _ in range(count):
            producer.produce(topic, b"event", partition=partition)
    assert producer.flush(10) == 0
