"""The guarantees on a real broker: the tests kill real processes and count real records."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from scorer.sandbox import Kafka, Redis
from tests.conftest import DELIVERIES, mainly
from tests.delivery.conftest import MakeWorld, mainly_at_least_once, mainly_exactly_once
from tests.delivery.world import World, body, card, headers, reasons

KILLS = [3, pytest.param(20, marks=pytest.mark.prove)]
EVENTS = 60_000


@contextmanager
def load(world: World, rate: int, **write: Any) -> Iterator[None]:
    """Send events during the block, at a rate per second; `write` is for `World.send`."""
    done, numbers = threading.Event(), count()

    def send() -> None:
        while not done.wait(0.1):
            world.send(list(islice(numbers, rate // 10)), **write)

    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(send)
        try:
            yield
        finally:
            done.set()
        sent.result()


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def members(world: World) -> set[str]:
    """Return the ids of the group's members."""
    return {member.member_id for member in world.describe()}


def owners(world: World) -> dict[str, frozenset[int]]:
    """Return the partitions of each member."""
    return {member.member_id: member.partitions for member in world.describe()}


def shared_by(world: World, replicas: int) -> bool:
    """Whether this number of replicas share the partitions."""
    return len([held for held in owners(world).values() if held]) == replicas


@mainly_exactly_once
def test_every_event_is_scored_once_and_in_order(world: World) -> None:
    world.send(range(20_000))
    replicas = [world.start(), world.start()]
    world.wait(20_000)
    world.wait_committed()
    assert [world.stop(replica) for replica in replicas] == [0, 0]
    assert world.committed() == world.ends(world.input)
    assert world.verify().repeated == 0


@mainly_exactly_once
def test_predictions_of_a_partition_are_in_the_order_of_its_events(world: World) -> None:
    world.send(range(8_000), key=b"one key, so one output partition")
    world.start()
    world.wait(8_000)
    for offsets in world.verify().order.values():
        assert offsets == sorted(offsets)


@pytest.mark.parametrize("max_records", mainly(7, of=[1, 7, 1000]))
def test_a_score_does_not_depend_on_the_size_of_its_batch(make_world: MakeWorld, max_records: int) -> None:
    world = make_world(batch__max_records=max_records)
    world.send(range(1_500))
    world.start()
    world.wait(1_500)
    world.verify()


@pytest.mark.prove
def test_a_replica_that_joins_or_leaves_repeats_nothing(world: World) -> None:
    with load(world, 2_000):
        first = world.start()
        world.wait(2_000)
        second = world.start()
        world.until(lambda: shared_by(world, 2), "two replicas at work")
        time.sleep(1)
        assert world.stop(second) == 0
        world.until(lambda: shared_by(world, 1), "one replica at work")
        time.sleep(1)
    world.wait(len(world.sent))
    assert world.stop(first) == 0
    assert world.verify().repeated == 0


@mainly_at_least_once
@pytest.mark.parametrize("kills", KILLS)
def test_kill_9_loses_nothing(world: World, kills: int) -> None:
    chance = random.Random(5)  # noqa: S311  the moments of the kills, the same in every run
    with load(world, 3_000):
        victim = world.start()
        world.wait(1)
        world.kill_at_work(victim)  # the random kills may all miss this phase, and such a run would prove nothing
        replicas = [world.start(), world.start()]
        for _ in range(kills):
            time.sleep(chance.uniform(0.3, 2.5))
            victim = replicas.pop(0)
            assert victim.poll() is None, world.log()[-2000:]
            world.send(range(3_000))  # so that it dies while it works
            time.sleep(chance.uniform(0, 0.03))
            victim.kill()
            assert world.ended(victim) == -signal.SIGKILL
            replicas.append(world.start())
    world.wait_committed()
    ledger = world.verify()
    if world.exactly_once:
        assert world.written() > len(ledger.predictions)
    else:
        assert ledger.repeated > 0


@mainly_exactly_once
def test_sigterm_commits_acknowledged_events_within_the_deadline(world: World) -> None:
    world.send(range(EVENTS))
    replica = world.start(SCORER_BATCH__MAX_RECORDS="5")  # small batches, so that it is busy when it is stopped
    world.wait(1)
    begin = time.monotonic()
    assert world.stop(replica) == 0
    assert time.monotonic() - begin < 25
    assert sum(world.committed().values()) == world.published() < EVENTS
    world.start()
    world.wait(EVENTS)
    assert world.verify().repeated == 0


@pytest.mark.prove
@pytest.mark.parametrize("seconds", [8, 20])  # both longer than the session timeout
def test_a_redis_outage_loses_nothing_and_the_member_stays(
    make_world: MakeWorld, own_redis: Redis, seconds: int
) -> None:
    world = make_world(redis=own_redis.url)
    with load(world, 1_000):
        world.start()
        world.wait(1_000)
        before = members(world)
        own_redis.pause()
        world.until(lambda: '"component": "features"' in world.log(), "a log line about the features")
        time.sleep(2)
        published = world.published()
        time.sleep(seconds - 2)
        assert world.published() == published
        own_redis.resume()
        world.wait(published + 1_000)
        assert members(world) == before
    world.wait(len(world.sent))
    assert world.verify().repeated == 0


def test_a_batch_that_has_to_wait_is_scored_eventually(make_world: MakeWorld, own_redis: Redis) -> None:
    world = make_world(redis=own_redis.url)
    own_redis.pause()
    world.send(range(100))
    world.start()
    world.until(lambda: "features" in world.log(), "word of the features")
    time.sleep(2)  # the log line may come from a poll without events; by now these have been read
    own_redis.resume()
    world.wait(100)
    assert world.verify().repeated == 0


@pytest.mark.prove
def test_memory_does_not_grow_with_the_backlog(world: World) -> None:
    world.send(range(240_000))
    replica = world.start()
    world.wait(40_000)
    before = resident_megabytes(replica.pid)
    world.wait(240_000)
    assert resident_megabytes(replica.pid) < before + 30


def test_sigterm_during_a_redis_outage_abandons_the_batch(make_world: MakeWorld, own_redis: Redis) -> None:
    world = make_world(redis=own_redis.url)
    own_redis.pause()
    world.send(range(100))
    replica = world.start()
    world.until(lambda: "features" in world.log(), "word of the features")
    assert world.stop(replica) == 0
    assert sum(world.committed().values()) == 0
    own_redis.resume()
    world.start()
    world.wait(100)
    assert world.verify().repeated == 0


def test_a_redis_outage_under_impute_is_scored_without_features(make_world: MakeWorld, own_redis: Redis) -> None:
    world = make_world(redis=own_redis.url, features__when_unavailable="impute")
    own_redis.stop()
    world.send(range(200))
    world.start()
    world.wait(200)
    predictions = [copy for copies in world.ledger().predictions.values() for copy in copies]
    assert len(predictions) == 200
    assert all(copy["degraded"] and copy["missing"] == ["card"] for copy in predictions)
    outage = [line for line in world.log().splitlines() if '"component": "features"' in line]
    assert len(outage) == 1
    assert "Connection refused" in outage[0]


def test_a_redis_outage_under_dead_letter_produces_dead_letters(make_world: MakeWorld, own_redis: Redis) -> None:
    world = make_world(redis=own_redis.url, features__when_unavailable="dead-letter")
    own_redis.stop()
    world.send(range(200))
    world.start()
    world.wait(200)
    ledger = world.ledger()
    cards = [number for number in range(200) if card(number) is not None]  # events without a card look nothing up
    assert reasons(ledger) == {"no-features": len(cards)}
    assert len(ledger.predictions) == 200 - len(cards)


def test_a_bad_record_becomes_one_dead_letter_and_its_neighbours_are_scored(make_world: MakeWorld) -> None:
    world = make_world(events__max_bytes=2_000)
    good = body(1)
    bad: dict[str, list[bytes | None]] = {
        "truncated": [good[:-1], good[:3], b"\x08ab"],
        "trailing-bytes": [good + b"\x00"],
        "bad-value": [good[:-3] + b"\x04" + good[-2:], b"\x02\xff" + bytes(8) + b"\x00", b"\x01" + good],
        "empty": [b"", None],
        "too-large": [good + bytes(2_000)],
    }
    values: list[int | bytes | None] = []
    for number, record in enumerate(value for records in bad.values() for value in records):
        values += [number * 3, record, number * 3 + 1]
    own = [("trace", b"1"), ("trace", b"2"), ("none", None)]
    world.send(values, partition=0, key=None, headers=own, timestamp=1_600_000_000_123)
    world.start()
    world.wait(len(values))
    ledger = world.verify()
    assert reasons(ledger) == {reason: len(records) for reason, records in bad.items()}
    for place, [letter] in ledger.dead_letters.items():
        assert letter.value() == world.sent[place]
        assert letter.key() is None
        assert letter.timestamp()[1] == 1_600_000_000_123
        held = headers(letter)
        assert held[:3] == own
        assert [name for name, _ in held[3:]] == [
            f"scorer.{name}"
            for name in ("reason", "detail", "topic", "partition", "offset", "model", "version", "time")
        ]
        assert (dict(held)["scorer.model"], dict(held)["scorer.version"]) == (b"fraud", b"1")
        assert dict(held)["scorer.topic"] == world.input.encode()


@mainly_at_least_once
def test_a_refused_write_is_never_followed_by_a_commit(world: World) -> None:
    world.send(range(5_000))
    first = world.start()
    world.wait(5_000)
    world.wait_committed()
    committed = world.committed()
    world.refuse(world.output)
    world.send(range(5_000, 10_000))
    assert world.ended(first) == 1
    assert "refused" in world.log()
    assert world.committed() == committed
    world.accept(world.output)
    world.start()
    world.wait(10_000)
    assert world.verify().repeated == 0


@mainly_exactly_once
def test_a_refused_dead_letter_is_never_followed_by_a_commit(world: World) -> None:
    world.refuse(world.dead)
    world.send([1, b"not an event", 2], partition=0)
    assert world.ended(world.start()) == 1
    assert sum(world.committed().values()) == 0
    world.accept(world.dead)
    world.start()
    world.wait_committed()
    world.verify()


@pytest.mark.prove
def test_a_deleted_input_topic_ends_the_replica_with_advice(make_world: MakeWorld) -> None:
    world = make_world()
    with load(world, 1_000):
        replica = world.start()
        world.wait(1_000)
    world.admin.delete_topics([world.input])[world.input].result(30)
    assert world.ended(replica) == 1
    assert "was deleted" in world.log()


@pytest.mark.prove
def test_a_deleted_input_topic_ends_a_replica_that_has_nothing_to_commit(make_world: MakeWorld) -> None:
    world = make_world()
    world.send(range(100))
    replica = world.start()
    world.wait_committed()
    world.admin.delete_topics([world.input])[world.input].result(30)
    assert world.ended(replica) == 1
    assert "was deleted" in world.log()


@pytest.mark.parametrize("delivery", mainly("at-least-once"))
@pytest.mark.prove
def test_stopping_is_bounded_while_the_brokers_are_unavailable(
    make_world: MakeWorld, own_kafka: Kafka, delivery: str
) -> None:
    world = make_world(bootstrap=own_kafka.bootstrap, shutdown__deadline_s=3, kafka__delivery=delivery)
    world.send(range(20_000))
    replica = world.start()
    world.wait(1)
    own_kafka.kill()
    time.sleep(1)
    begin = time.monotonic()
    assert world.stop(replica) == 0
    assert time.monotonic() - begin < 30
    own_kafka.start()
    assert sum(world.committed().values()) <= world.published()
    world.start()
    world.wait(20_000)
    world.verify()


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_broker_outage_loses_nothing(make_world: MakeWorld, own_kafka: Kafka, delivery: str) -> None:
    world = make_world(bootstrap=own_kafka.bootstrap, kafka__delivery=delivery)
    world.send(range(40_000))
    replica = world.start()
    world.wait(1_000)
    own_kafka.kill()
    time.sleep(5)
    own_kafka.start()
    world.wait(40_000)
    world.wait_committed()
    assert world.stop(replica) == 0
    world.verify()
