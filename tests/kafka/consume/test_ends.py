"""Committed offsets advance to the end of a partition, past offsets without records, never past unwritten events."""

from collections.abc import Callable
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, Message, Producer

from scorer.kafka.consume.ends import Ends
from scorer.kafka.consume.gaps import Gaps
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings
from tests.kafka.consume.test_source import Member, delete_before, fill, joined, values

PATIENCE_POLLS = 200


@pytest.fixture
def group(kafka: Kafka) -> KafkaSettings:
    return settings(kafka.bootstrap, heartbeat_interval_ms="300", session_timeout_ms="6000", fetch_wait_max_ms="50")


def transact(kafka: Kafka, topic: str, *transactions: tuple[int, bool]) -> None:
    """Write transactions with these numbers of records, each committed or aborted."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(60)
    for records, kept in transactions:
        producer.begin_transaction()
        for number in range(records):
            producer.produce(topic, b"%d" % number, partition=0)
        producer.flush()
        (producer.commit_transaction if kept else producer.abort_transaction)(60)


def committed(member: Member, topic: str) -> int:
    """Return the committed offset of the only partition, below 0 if there is none."""
    return member.source.commits.read([(topic, 0)], 20)[topic, 0]


def await_end(member: Member, topic: str) -> None:
    """Consume until the client has reported the end of the only partition."""
    for _ in range(PATIENCE_POLLS):
        if (topic, 0) in member.source._ends._reached:
            return
        member.source._take(10, 0.1)
    pytest.fail("the end was not reported")


def turn(member: Member, until: Callable[[], bool]) -> None:
    """Poll without records, and commit, until a condition holds."""
    for _ in range(PATIENCE_POLLS):
        if until():
            return
        assert member.source.poll() is None
        member.checkpoint.settle()
    pytest.fail("it never came")


def test_markers_and_aborted_records_are_passed_once_earlier_events_are_written(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    transact(kafka, topic, (3, True), (2, False))  # 0 to 2 and a marker, 4 to 5 and a marker
    with joined(group, topic) as member:
        records = member.poll()
        assert values(records) == [b"0", b"1", b"2"]
        batch = member.checkpoint.open(records, 1)
        turn(member, lambda: batch.offsets == {(topic, 0): 7})
        assert member.checkpoint.finish(10), "there is nothing to commit yet"
        assert committed(member, topic) < 0
        batch.delivered(None, None)
        turn(member, lambda: committed(member, topic) == 7)


def test_a_partition_with_only_aborted_records_has_no_lag(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    transact(kafka, topic, (50, False))
    with joined(group, topic) as member:
        turn(member, lambda: committed(member, topic) == 51 and member.watcher.results != [])
        commits = len(member.watcher.results)
        for _ in range(20):
            assert member.source.poll() is None
            member.checkpoint.settle()
        assert len(member.watcher.results) == commits, "an idle partition is not committed again and again"
    assert member.watcher.gaps == []
    with joined(group, topic) as member:
        turn(member, lambda: member.watcher.lags == {(topic, 0): 0})


@pytest.mark.parametrize("beside", [[], [KafkaError._ALL_BROKERS_DOWN]])
def test_ends_are_told_from_records_and_from_other_errors(beside: list[int]) -> None:
    ends = Ends(Gaps(Mock(), Mock()))
    codes = [None, KafkaError._PARTITION_EOF, None, *beside, KafkaError._PARTITION_EOF]
    messages = [
        Message(topic="events", partition=1, offset=offset, error=None if code is None else KafkaError(code))
        for offset, code in enumerate(codes)
    ]
    records, failed = ends.take(messages, [message.error() for message in messages])
    assert [message.offset() for message in records] == [0, 2]
    assert [message.offset() for message in failed] == [3] * len(beside)
    assert ends.passed([]) == {("events", 1): len(codes) - 1}


def test_an_end_offset_waits_for_buffered_records(kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings) -> None:
    topic = make_topic()
    transact(kafka, topic, (3, True))
    with joined(group, topic, mode="fixed", max_records=10, max_wait_ms=1_000, max_bytes=1) as member:
        for handed_out in (1, 2, 3):
            member.checkpoint.open(member.poll(), 0)  # all its writes are acknowledged
            await_end(member, topic)
            assert member.checkpoint.finish(10)
            assert committed(member, topic) == handed_out
        assert not member.source._buffered
        turn(member, lambda: committed(member, topic) == 4)


def test_an_end_waits_for_records_in_hand_while_the_next_batch_is_polled(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    transact(kafka, topic, (3, True))
    with joined(group, topic, max_records=3) as member:
        held = member.poll()
        await_end(member, topic)
        assert member.source.poll_ahead(held) is None
        assert member.checkpoint.finish(10), "there is nothing to commit yet"
        assert committed(member, topic) < 0
        member.checkpoint.open(held, 0)
        turn(member, lambda: committed(member, topic) == 4)


def test_an_end_offset_is_dropped_with_the_records_before_it(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    transact(kafka, topic, (3, True))
    with joined(group, topic, mode="fixed", max_records=10, max_wait_ms=1_000, max_bytes=1) as member:
        member.checkpoint.open(member.poll(), 0)
        await_end(member, topic)
        assert member.source._buffered
        member.source._drop([(topic, 0)])
        assert member.source._ends.passed([]) == {}


def test_aborted_records_that_retention_deletes_are_not_counted_as_lost(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    transact(kafka, topic, (1, True), (50, False))
    with joined(group, topic) as member:
        member.checkpoint.open(member.poll(), 0)
        turn(member, lambda: committed(member, topic) == 53)
    delete_before(kafka, topic, 53)
    with joined(group, topic) as member:
        fill(kafka, topic, [b"a"])
        assert values(member.poll()) == [b"a"]
        assert member.watcher.gaps == []


def test_events_that_retention_deletes_up_to_the_end_are_counted(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"a"])
    with joined(group, topic) as member:
        member.checkpoint.open(member.poll(), 0)
        member.checkpoint.settle()
        assert member.checkpoint.finish(10)
    fill(kafka, topic, [b"b"] * 20)
    delete_before(kafka, topic, 21)
    with joined(group, topic) as member:
        turn(member, lambda: committed(member, topic) == 21)
        assert member.watcher.gaps == [(topic, 0, 20)]
