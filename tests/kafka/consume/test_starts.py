"""Under `start_from: latest` a group starts at the ends of its topics once, and skips nothing from then on."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from structlog.testing import capture_logs

from scorer.kafka.consume.starts import Starts
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings
from tests.kafka.consume.test_source import Member, delete_before, fill, joined, values

TOPIC = "in"


class Broker(Commits):
    """A fake consumer with the ends of partitions and the committed offsets of a group."""

    def __init__(self, committed: Offsets, ends: Offsets) -> None:
        self.committed, self.ends, self.takes_commits = committed, ends, True

    def read(self, partitions: Iterable[Partition], _: float) -> Offsets:
        return {partition: self.committed.get(partition, -1001) for partition in partitions}

    def finish(self, offsets: Mapping[Partition, int], _: float) -> bool:
        self.committed |= offsets if self.takes_commits else {}
        return self.takes_commits

    def list_topics(self, topic: str, timeout: float) -> object:  # noqa: ARG002  the client's
        partitions = dict.fromkeys(number for _, number in self.ends)
        described = type("Described", (), {"partitions": partitions})
        return type("Listed", (), {"topics": {topic: described}})

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002  the client's
        return [TopicPartition(at.topic, at.partition, self.ends.get((at.topic, at.partition), -1)) for at in asked]


def starting(broker: Broker, *owned: int, latest: bool = True) -> Starts:
    return Starts(cast("Consumer", broker), broker, lambda: [(TOPIC, number) for number in owned], latest=latest)


def committed(broker: Broker, *numbers: int) -> Offsets:
    return broker.read([(TOPIC, number) for number in numbers], 1)


ENDS = {(TOPIC, 0): 50, (TOPIC, 1): 60, (TOPIC, 2): 0}


def test_the_owner_of_partition_0_commits_the_start_of_all_partitions() -> None:
    broker = Broker({}, ENDS)
    assert starting(broker, 0).find(committed(broker, 0)) == {(TOPIC, 0): 50}
    assert broker.committed == ENDS


def test_other_replicas_wait_for_the_committed_starts_and_use_them() -> None:
    broker = Broker({}, ENDS)
    waiting = starting(broker, 1)
    with capture_logs() as logs:
        for _ in range(2):
            assert waiting.find(committed(broker, 1)) == {}
            assert not waiting.decided
    (line,) = logs
    assert line["reason"] == "the owner of partition 0 of in has not committed where the group starts"
    starting(broker, 0).find(committed(broker, 0))
    broker.ends = {(TOPIC, 1): 70}
    assert waiting.find(committed(broker, 1)) == {(TOPIC, 1): 60}
    assert waiting.decided
    assert broker.committed == ENDS


@pytest.mark.parametrize("of_group", [{(TOPIC, 0): 7}, {(TOPIC, 1): 7}])
def test_in_a_started_group_a_partition_without_offset_starts_at_its_first_record(of_group: Offsets) -> None:
    broker = Broker(dict(of_group), ENDS)
    starts = starting(broker, 0, 2)
    assert starts.find(committed(broker, 2)) == {(TOPIC, 2): OFFSET_BEGINNING}
    assert starts.decided
    assert broker.committed == of_group


def test_a_partition_starts_at_its_committed_offset_regardless_of_the_others() -> None:
    broker = Broker({("other", 1): 7}, ENDS)
    broker.takes_commits = False
    starts = starting(broker, 0)
    assert starts.find(committed(broker, 0) | {("other", 1): 7}) == {("other", 1): 7}


def test_a_start_that_could_not_be_committed_is_not_used() -> None:
    broker = Broker({}, ENDS)
    broker.takes_commits = False
    starts = starting(broker, 0)
    assert starts.find(committed(broker, 0)) == {}
    assert not starts.decided


def test_an_unknown_end_offset_decides_no_start() -> None:
    broker = Broker({}, {(TOPIC, 0): 50, (TOPIC, 1): -1})
    assert starting(broker, 0).find(committed(broker, 0)) == {}
    assert broker.committed == {}


def test_under_earliest_every_partition_starts_at_its_first_record() -> None:
    broker = Broker({}, ENDS)
    starts = starting(broker, 1, latest=False)
    assert starts.decided
    assert starts.find(committed(broker, 1)) == {(TOPIC, 1): OFFSET_BEGINNING}
    assert broker.committed == {}


@pytest.fixture
def group(kafka: Kafka) -> KafkaSettings:
    quick = settings(
        kafka.bootstrap,
        heartbeat_interval_ms="300",
        session_timeout_ms="6000",
        topic_metadata_refresh_interval_ms="500",
    )
    return quick.model_copy(update={"start_from": "latest"})


def settle(*members: Member) -> None:
    """Poll without records until the group has decided where it starts and each member has partitions."""
    for _ in range(300):
        if all(member.source.assignment.owned and member.source.starts.decided for member in members):
            return
        for member in members:
            assert member.source.poll() is None
    pytest.fail("it is never decided")


def grow(kafka: Kafka, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(20)


def read(member: Member, records: int) -> dict[int, list[bytes]]:
    """Read and commit a number of records; return them by partition."""
    read: dict[int, list[bytes]] = {}
    while sum(map(len, read.values())) < records:
        batch = member.poll()
        for partition, value in zip(batch.partition.tolist(), values(batch), strict=True):
            read.setdefault(partition, []).append(value)
        member.checkpoint.open(batch, 0)
    member.checkpoint.settle()
    assert member.checkpoint.finish(20)
    return read


def test_a_new_group_of_two_replicas_skips_only_old_records(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic(partitions=2)
    for partition in (0, 1):
        fill(kafka, topic, [b"old"] * 5, partition)
    with joined(group, topic) as first, joined(group, topic) as second:
        settle(first, second)
        offsets = first.source.commits.read([(topic, 0), (topic, 1)], 20)
        assert offsets == {(topic, 0): 5, (topic, 1): 5}
        for partition in (0, 1):
            fill(kafka, topic, [b"new"], partition)
        assert list(read(first, 1).values()) == [[b"new"]]
        assert list(read(second, 1).values()) == [[b"new"]]


def test_records_sent_to_an_idle_partition_while_no_replica_runs_are_read(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic(partitions=2)
    with joined(group, topic) as member:
        settle(member)
        fill(kafka, topic, [b"a"], partition=0)
        assert read(member, 1) == {0: [b"a"]}
    fill(kafka, topic, [b"b"] * 3, partition=1)
    with joined(group, topic) as member:
        assert read(member, 3) == {1: [b"b"] * 3}


@pytest.mark.parametrize("running", [True, False])
def test_an_added_partition_starts_at_its_first_record(
    kafka: Kafka,
    make_topic: MakeTopic,
    group: KafkaSettings,
    running: bool,  # noqa: FBT001  by pytest
) -> None:
    topic = make_topic()
    with ExitStack() as stack:
        member = stack.enter_context(joined(group, topic))
        settle(member)
        if not running:
            stack.close()
        grow(kafka, topic, 2)
        fill(kafka, topic, [b"%d" % number for number in range(7)], partition=1)
        if not running:
            member = stack.enter_context(joined(group, topic))
        assert read(member, 7) == {1: [b"%d" % number for number in range(7)]}


def test_retention_past_the_committed_offset_skips_no_remaining_records(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    with joined(group, topic) as member:
        settle(member)
    fill(kafka, topic, [b"%d" % number for number in range(10)])
    delete_before(kafka, topic, 6)
    with joined(group, topic) as member:
        assert read(member, 4) == {0: [b"6", b"7", b"8", b"9"]}
        assert member.watcher.gaps == [(topic, 0, 6)]
