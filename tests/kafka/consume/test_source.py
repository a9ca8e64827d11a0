"""The consumer on a real broker: bounded batches, waiting as a member, and partitions that come and go."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from threading import Timer
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from scorer.batch import Records
from scorer.kafka import AtLeastOnce, Checkpoint, Limits, Sink, Source
from scorer.kafka.offsets import Offsets, Partition
from scorer.sandbox import Kafka
from scorer.settings import BatchSettings, KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings


@dataclass
class Watcher:
    """An observer that keeps what it was told."""

    kinds: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    gaps: list[tuple[str, int, int]] = field(default_factory=list)
    lags: dict[Partition, int] = field(default_factory=dict)

    def rebalance(self, kind: str) -> None:
        self.kinds.append(kind)

    def confirmed(self, offsets: object) -> None:
        pass

    def committed(self, result: str) -> None:
        self.results.append(result)

    def lag(self, topic: str, partition: int, records: int) -> None:
        self.lags[topic, partition] = records

    def forget(self, topic: str, partition: int) -> None:
        """Ignore that a partition is no longer owned."""

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        self.gaps.append((topic, partition, offsets))


@dataclass
class Member:
    """A source that has joined a group, with a recording of the calls to its checkpoint."""

    source: Source
    checkpoint: Checkpoint
    watcher: Watcher
    drained: list[bool] = field(default_factory=list)

    def serve(self, _: float) -> None:
        """Record, in place of the producer, that delivery waits for acknowledgements before a revocation."""
        self.drained.append(self.checkpoint.idle)

    def poll(self, seconds: float = 20.0) -> Records:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if records := self.source.poll():
                return records
        pytest.fail("no record came")


@contextmanager
def joined(kafka: KafkaSettings, topic: str, **limits: Any) -> Iterator[Member]:
    chosen, watcher = kafka.model_copy(update={"input_topics": (topic,)}), Watcher()
    source = Source(chosen, BatchSettings(**limits), watcher, lambda _: None)
    member = Member(source, Checkpoint(source.commits, Limits(4), lambda _: None), watcher)
    source.subscribe(AtLeastOnce(cast("Sink", member), member.checkpoint))
    try:
        yield member
    finally:
        source.close(5)


@pytest.fixture
def group(kafka: Kafka) -> KafkaSettings:
    quick = {"heartbeat_interval_ms": "300", "session_timeout_ms": "6000", "max_poll_interval_ms": "6000"}
    return settings(kafka.bootstrap, **quick)


def fill(kafka: Kafka, topic: str, values: list[bytes], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(10) == 0


def values(records: Records) -> list[bytes]:
    starts = [0, *records.ends[:-1].tolist()]
    return [records.data[start:end].tobytes() for start, end in zip(starts, records.ends.tolist(), strict=True)]


def test_a_batch_is_bounded_in_records_and_bytes_and_no_record_is_skipped(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    sent = [b"%04d" % number * 25 for number in range(200)] + [b"x" * 3_000] + [b"end"]
    fill(kafka, topic, sent)
    with joined(group, topic, max_records=15, max_bytes=1_024) as member:
        got: list[bytes] = []
        while len(got) < len(sent):
            batch = values(member.poll())
            assert len(batch) <= 15
            assert sum(map(len, batch)) <= 1_024 or batch == [b"x" * 3_000]
            got += batch
    assert got == sent


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
def test_a_backlog_fills_every_batch(mode: str, kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"%d" % number for number in range(1_000)])
    with joined(group, topic, max_records=100, max_wait_ms=20_000, mode=mode) as member:
        batches = [values(member.poll()) for _ in range(10)]
    assert list(chain(*batches)) == [b"%d" % number for number in range(1_000)]
    assert [len(batch) for batch in batches[1:-1]] == [100] * 8


def test_a_single_record_waits_no_longer_than_is_worthwhile(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    with joined(group, topic, max_records=100, max_wait_ms=6_000) as member:
        fill(kafka, topic, [b"a"])
        later = Timer(3.0, fill, [kafka, topic, [b"b"]])
        later.start()
        assert [values(member.poll()) for _ in "ab"] == [[b"a"], [b"b"]]
        later.join()


def test_nothing_is_read_while_the_committed_offsets_are_unknown(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = make_topic()
    sent = [b"%d" % number for number in range(50)]
    fill(kafka, topic, sent)
    with joined(group, topic, max_records=20) as member:
        asked, read = count(), member.source.commits.read

        def answer(partitions: Iterable[Partition], seconds: float) -> Offsets:
            if next(asked) < 3:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            return read(partitions, seconds)

        monkeypatch.setattr(member.source.commits, "read", answer)
        got: list[bytes] = []
        while len(got) < len(sent):
            got += values(member.poll())
    assert got == sent
    assert next(asked) > 3


class RevokesWhileWaiting:
    """A client that revokes a partition while it waits for records."""

    def __init__(self, source: Source, partition: TopicPartition) -> None:
        self._source, self._consumer, self._partition = source, source._consumer, partition

    def consume(self, _: int, __: float) -> list[Message]:
        self._source._on_lost(self._consumer, [self._partition])
        return []

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)


def test_buffered_records_of_a_partition_revoked_during_a_wait_are_dropped(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = make_topic(partitions=2)
    for partition in (0, 1):
        fill(kafka, topic, [b"a" * 100] * 20, partition)
    with joined(group, topic, mode="fixed", max_records=40, max_wait_ms=60_000, max_bytes=100) as member:
        member.poll()
        assert {message.partition() for message in member.source._buffered} == {0, 1}
        monkeypatch.setattr(member.source, "_consumer", RevokesWhileWaiting(member.source, TopicPartition(topic, 0)))
        member.source.keep_alive(None, 0)
        monkeypatch.undo()
        assert {message.partition() for message in member.source._buffered} == {1}


def test_records_that_arrive_during_a_pause_follow_the_buffered_ones(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"a", b"b"])
    with joined(group, topic, max_records=1) as member:
        first = member.poll()
        fill(kafka, topic, [b"c"])
        for _ in range(5):
            held = member.source.keep_alive(first, 0.1)
            assert held is not None
            assert values(held) == [b"a"]
        assert [values(member.poll()) for _ in "bc"] == [[b"b"], [b"c"]]


def test_a_lost_partition_is_dropped_and_not_drained(kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"a"])
    with joined(group, topic) as member:
        records = member.poll()
        batch = member.checkpoint.open(records, 1)
        time.sleep(7)  # longer than max.poll.interval.ms
        deadline = time.monotonic() + 10
        while member.source.keep_alive(records, 0.5) is not None:
            assert time.monotonic() < deadline, "the group has not told"
        assert member.watcher.kinds[:2] == ["assigned", "lost"]
        assert member.drained == []
        batch.delivered(None, None)
        member.checkpoint.settle()
        assert member.checkpoint.finish(1)
        assert member.watcher.results == [], "nothing of a lost partition is committed"
        assert values(member.poll()) == [b"a"], "its record is read again"


def test_a_partition_is_drained_and_committed_before_it_is_revoked(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic(partitions=2)
    fill(kafka, topic, [b"a"], partition=0)
    fill(kafka, topic, [b"b"], partition=1)
    with joined(group, topic) as first:
        read: list[bytes] = []
        while len(read) < 2:
            records = first.poll()
            read += values(records)
            first.checkpoint.open(records, 0)  # all its writes are acknowledged
        with joined(group, topic) as second:
            deadline = time.monotonic() + 20
            while not second.source.assignment.owned and time.monotonic() < deadline:
                assert second.source.poll() is None, "what was committed is not read again"
                assert first.source.poll() is None
            assert len(first.source.assignment.owned) == len(second.source.assignment.owned) == 1
        assert "revoked" in first.watcher.kinds
        assert first.drained == [False]
        assert first.watcher.results == ["ok"]


def delete_before(kafka: Kafka, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(20)


def test_events_that_were_deleted_before_they_were_read_are_counted(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"%d" % number for number in range(50)])
    with joined(group, topic, max_records=10) as member:
        records = member.poll()
        member.checkpoint.open(records, 0)
        member.checkpoint.settle()
        assert member.checkpoint.finish(10)
    assert member.watcher.gaps == []
    delete_before(kafka, topic, 30)
    with joined(group, topic, max_records=10) as member:
        assert values(member.poll())[0] == b"30"
        assert member.watcher.gaps == [(topic, 0, 20)]
        member.poll()
        assert len(member.watcher.gaps) == 1


def test_a_new_group_reports_no_gap(kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"%d" % number for number in range(50)])
    delete_before(kafka, topic, 30)
    with joined(group, topic) as member:
        assert values(member.poll())[0] == b"30"
        assert member.watcher.gaps == []


def test_events_that_are_deleted_while_others_are_read_are_counted(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    fill(kafka, topic, [b"0"])
    with joined(group, topic) as member:
        member.poll()
        member.source.keep_alive(None, 0.1)  # does not read on
        fill(kafka, topic, [b"x" * 100_000 for _ in range(300)])
        delete_before(kafka, topic, 301)
        fill(kafka, topic, [b"end"])
        while values(member.poll())[-1] != b"end":
            """What was fetched before it was deleted."""
        assert sum(gap[2] for gap in member.watcher.gaps) > 0
