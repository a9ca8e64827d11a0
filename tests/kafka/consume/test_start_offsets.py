"""A partition begins at its committed offset, whatever the client makes of an open transaction and a rebalance."""

from collections.abc import Iterable

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from scorer.batch import Records
from scorer.kafka.consume.start_offsets import StartOffsets
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings
from tests.kafka.consume.test_source import fill, joined

ENDS = 100
COMMITTED = 60
TOPICS = ("in",)


class Group(Commits):
    """What a group has committed, or an error; and where partitions were sent back to."""

    def __init__(self, committed: Offsets | None) -> None:
        self.committed, self.sent_back, self.reads = committed, Offsets(), True

    def read(self, partitions: Iterable[Partition], _: float) -> Offsets:
        if self.committed is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return {partition: self.committed.get(partition, -1001) for partition in partitions}

    def seek(self, where: TopicPartition) -> None:
        if not self.reads:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.sent_back[where.topic, where.partition] = where.offset


def batch(*places: tuple[int, int]) -> Records:
    """Records of (partition, offset)."""
    rows = len(places)
    return Records(
        topics=TOPICS,
        topic=np.zeros(rows, np.int32),
        partition=np.array([partition for partition, _ in places], np.int32),
        offset=np.array([offset for _, offset in places], np.int64),
        timestamp=np.zeros(rows, np.int64),
        keys=[None] * rows,
        data=np.zeros(0, np.uint8),
        ends=np.zeros(rows, np.int64),
        originals=[None] * rows,
    )


def checking(group: Group, *partitions: int) -> StartOffsets:
    start_offsets = StartOffsets(group, group.seek, lambda _: None, lambda _: None, lambda _: {})
    start_offsets.watch([("in", partition) for partition in partitions])
    return start_offsets


def places(records: Records | None) -> list[tuple[int, int]]:
    return [] if records is None else list(zip(records.partition.tolist(), records.offset.tolist(), strict=True))


def test_who_begins_at_the_committed_offset_or_has_none_goes_on() -> None:
    group = Group({("in", 0): 7})
    start_offsets = checking(group, 0, 1)
    assert places(start_offsets.check(batch((0, 7), (1, 0), (0, 8)))) == [(0, 7), (1, 0), (0, 8)]
    assert group.sent_back == {}


@pytest.mark.parametrize("began", [0, 90])
def test_who_begins_elsewhere_goes_back_once_and_the_others_go_on(began: int) -> None:
    group = Group({("in", 0): 7, ("in", 1): 3})
    start_offsets = checking(group, 0, 1)
    assert places(start_offsets.check(batch((0, began), (1, 3), (0, began + 1)))) == [(1, 3)]
    assert group.sent_back == {("in", 0): 7}
    assert places(start_offsets.check(batch((0, 9)))) == [(0, 9)]  # 7 and 8 were compacted away


def test_nothing_begins_before_the_committed_offset_is_known() -> None:
    group = Group(None)
    start_offsets = checking(group, 0)
    for _ in range(2):
        with pytest.raises(KafkaException):
            start_offsets.check(batch((0, 0)))
    assert group.sent_back == {}
    group.committed = {("in", 0): 7}
    assert start_offsets.check(batch((0, 0))) is None
    assert group.sent_back == {("in", 0): 7}


def test_who_cannot_go_back_yet_does_when_it_can() -> None:
    group = Group({("in", 0): 7})
    group.reads = False
    start_offsets = checking(group, 0)
    assert start_offsets.check(batch((0, 0))) is None
    assert start_offsets.check(batch((0, 1))) is None
    group.reads = True
    start_offsets.seek_pending()
    assert group.sent_back == {("in", 0): 7}
    assert places(start_offsets.check(batch((0, 7)))) == [(0, 7)]


def test_a_partition_that_is_no_longer_ours_is_left() -> None:
    group = Group({("in", 0): 7})
    group.reads = False
    start_offsets = checking(group, 0)
    start_offsets.check(batch((0, 0)))
    start_offsets.forget([("in", 0)])
    group.reads = True
    start_offsets.seek_pending()
    assert group.sent_back == {}


@pytest.mark.parametrize("start_from", ["earliest", "latest"])
def test_a_rebalance_while_a_transaction_holds_the_offsets_moves_no_beginning(
    kafka: Kafka, make_topic: MakeTopic, start_from: str
) -> None:
    topic = make_topic(partitions=2)
    group = settings(kafka.bootstrap, heartbeat_interval_ms="300", session_timeout_ms="6000")
    group = group.model_copy(update={"delivery": "exactly-once", "start_from": start_from})
    for partition in (0, 1):
        fill(kafka, topic, [b"%d" % number for number in range(ENDS)], partition)
    held = hold_offsets(kafka, group.group_id, topic)
    with joined(group, topic) as first:
        while first.source.assignment.generation < 1:
            first.source.poll()
        with joined(group, topic) as second:
            begun: dict[int, int] = {}
            ended = False
            while len(begun) < 2:
                for member in (first, second):
                    if records := member.source.poll():
                        for partition, offset in zip(records.partition.tolist(), records.offset.tolist(), strict=True):
                            begun.setdefault(partition, offset)
                if not ended and {len(member.source.assignment.owned) for member in (first, second)} == {1}:
                    held.abort_transaction(10)
                    ended = True
                    for partition in (0, 1):  # under `latest` it takes one to see what was passed over
                        fill(kafka, topic, [b"more"], partition)
    assert begun == {0: COMMITTED, 1: COMMITTED}


def hold_offsets(kafka: Kafka, group: str, topic: str) -> Producer:
    """Commit an offset of both partitions, and hold a later one in a transaction that is left open."""
    servers = {"bootstrap.servers": kafka.bootstrap}
    member = Consumer({**servers, "group.id": group, "partition.assignment.strategy": "cooperative-sticky"})
    member.subscribe([topic])
    while len(member.assignment()) < 2:
        member.consume(1, 0.1)
    metadata = member.consumer_group_metadata()
    producer = Producer({**servers, "transactional.id": group, "transaction.timeout.ms": 60_000})
    producer.init_transactions(20)
    for offset, ended in ((COMMITTED, True), (COMMITTED + 10, False)):
        producer.begin_transaction()
        places = [TopicPartition(topic, partition, offset) for partition in (0, 1)]
        producer.send_offsets_to_transaction(places, metadata, 10)
        if ended:
            producer.commit_transaction(10)
    member.close()
    return producer
