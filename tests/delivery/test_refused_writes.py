"""Refused writes: a faulty record becomes one dead letter, a faulty topic stops the replica."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Producer

from scorer.kafka.writes import CUT, KEPT_BYTES
from scorer.sandbox import Kafka
from tests.conftest import DELIVERIES
from tests.delivery.conftest import MakeWorld, mainly_at_least_once
from tests.delivery.world import World, body, headers, place, reasons

LARGE_KEY = b"k" * 1_048_450  # with a small value, the input topic accepts this key but the output topic does not
ANY_TIME = str(2**63 - 1)


def send_unwritable(world: World, numbers: Sequence[int], key: bytes | None = LARGE_KEY, **write: Any) -> None:
    """Send events whose predictions are refused."""
    world.send([body(number) for number in numbers], partition=0, key=key, **write)


def send_highly_compressed(world: World, value: bytes, key: bytes, sent: int | bytes) -> None:
    """Send a record that the input topic accepts only because it is compressed."""
    chosen = {"compression.type": "gzip", "message.max.bytes": 10**8}
    producer = Producer({"bootstrap.servers": world.bootstrap} | chosen)
    producer.produce(world.input, value, key, 0, lambda _, message: world.sent.update({place(message): sent}))
    assert producer.flush(30) == 0


def allow_large_dead_letters(world: World) -> None:
    world.alter(world.dead, "max.message.bytes", "10000000")


@mainly_at_least_once
def test_an_oversized_prediction_becomes_a_dead_letter_and_its_neighbours_are_scored(world: World) -> None:
    allow_large_dead_letters(world)
    world.send(range(100), partition=0, key=b"one")
    send_unwritable(world, [100, 101])
    world.send(range(102, 200), partition=0, key=b"one")
    replica = world.start()
    world.wait_committed()
    ledger = world.verify()
    assert ledger.repeated == 0
    assert reasons(ledger) == {"unwritable": 2}
    assert ledger.order[0] == sorted(ledger.order[0])
    (letter,) = ledger.dead_letters[0, 100]
    assert (letter.key(), letter.value()) == (LARGE_KEY, body(100))
    assert "max.message.bytes=1048588" in (dict(headers(letter))["scorer.detail"] or b"").decode()
    send_unwritable(world, [200])  # by itself: no other record shows that the topic accepts some
    world.wait_committed()
    assert reasons(world.verify()) == {"unwritable": 3}
    assert world.stop(replica) == 0


@mainly_at_least_once
def test_an_event_without_a_key_for_a_compacted_topic_becomes_a_dead_letter(
    world: World,
) -> None:
    world.alter(world.output, "cleanup.policy", "compact")
    world.send(range(50), partition=0)
    send_unwritable(world, [50], key=None)
    world.send(range(51, 100), partition=0)
    world.start()
    world.wait_committed()
    assert reasons(world.verify()) == {"unwritable": 1}


@pytest.mark.prove
def test_a_topic_whose_size_limit_is_lowered_later_gets_every_prediction(world: World) -> None:
    world.send(range(10))
    world.start()
    world.wait_committed()
    world.alter(world.output, "max.message.bytes", "1500")
    world.send(range(10, 600), partition=0, key=b"one")
    world.wait_committed()
    assert not reasons(world.verify())


@mainly_at_least_once
def test_a_dead_letter_with_a_refused_timestamp_is_reported_and_not_lost(world: World) -> None:
    world.alter(world.input, "message.timestamp.after.max.ms", ANY_TIME)
    micros = int(time.time() * 1e6)
    world.send([*range(10), b"not an event"], partition=0)
    world.send([b"not an event"], partition=0, timestamp=micros)
    world.send(range(10, 20), partition=0)
    assert world.ended(world.start()) == 1
    assert f"the dead letter of {world.input}-0@11 in topic {world.dead}" in world.log()
    assert f"its timestamp is {micros}" in world.log()
    assert f"set message.timestamp.after.max.ms=3600000, message.timestamp.before.max.ms={ANY_TIME}" in world.log()
    world.alter(world.dead, "message.timestamp.after.max.ms", ANY_TIME)
    world.start()
    world.wait_committed()
    (letter,) = world.verify().dead_letters[0, 11]
    assert letter.timestamp()[1] == micros


@pytest.mark.prove
def test_an_oversized_dead_letter_is_reported_with_the_property_to_set(world: World) -> None:
    send_unwritable(world, [0])
    assert world.ended(world.start()) == 1
    assert f"the dead letter of {world.input}-0@0 in topic {world.dead}; max.message.bytes is 1048588" in world.log()
    assert sum(world.committed().values()) == 0


@mainly_at_least_once
def test_a_value_that_is_oversized_once_decompressed_becomes_a_cut_dead_letter(world: World) -> None:
    bomb = bytes(3_000_000)
    send_highly_compressed(world, bomb, b"key", bomb)
    world.send(range(100), partition=0)
    world.start()
    world.wait_committed()
    ledger = world.verify()
    assert reasons(ledger) == {"too-large": 1}
    (letter,) = ledger.dead_letters[0, 0]
    assert letter.value() == bomb[:KEPT_BYTES]
    assert headers(letter)[-1] == (CUT, b"value: the first 65536 of 3000000 bytes")


def test_an_event_with_a_large_key_is_scored_if_the_producer_compresses_it(make_world: MakeWorld) -> None:
    world = make_world(kafka__properties={"compression.type": "lz4"})
    send_highly_compressed(world, body(0), bytes(3_000_000), 0)
    world.start()
    world.wait_committed()
    world.verify()


@pytest.fixture(scope="module")
def small_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that closes the connection on a request of more than 2 MB; the default limit is 100 MB."""
    with Kafka(tmp_path_factory.mktemp("kafka"), {"socket.request.max.bytes": "2000000"}) as server:
        yield server


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_an_event_too_large_for_any_request_becomes_a_cut_dead_letter(
    make_world: MakeWorld, small_kafka: Kafka, delivery: str
) -> None:
    world = make_world(small_kafka.bootstrap, kafka__delivery=delivery)
    allow_large_dead_letters(world)
    bomb = bytes(3_000_000)
    world.send(range(10), partition=0)
    send_highly_compressed(world, bomb, b"key", bomb)
    send_highly_compressed(world, body(0), bomb, body(0))
    world.send(range(10), partition=0)
    world.start()
    world.wait_committed()
    ledger = world.verify()
    assert reasons(ledger) == {"too-large": 1, "unwritable": 1}
    (value,), (key,) = ledger.dead_letters[0, 10], ledger.dead_letters[0, 11]
    assert (value.value(), value.key()) == (bomb[:KEPT_BYTES], b"key")
    assert (key.value(), key.key()) == (body(0), bomb[:KEPT_BYTES])
