"""A partition is read from the offset that we seek to, whatever the client does in rebalances and pauses."""

from collections.abc import Iterable
from typing import cast

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from structlog.testing import capture_logs

from scorer.kafka.consume.gaps import Gaps
from scorer.kafka.consume.reading import Reading
from scorer.kafka.consume.starts import Starts
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings
from tests.kafka.consume.test_source import Member, fill, joined, values
from tests.kafka.ends import turns

ENDS = 100
COMMITTED = 60
ZERO, ONE = ("in", 0), ("in", 1)


class Client(Commits):
    """A fake consumer: returns committed offsets or fails, and pauses, resumes and seeks partitions."""

    def __init__(self, committed: Offsets | None) -> None:
        self.committed, self.started = committed, True
        self.paused: set[Partition] = set()
        self.sought: list[tuple[Partition, int]] = []

    def read(self, partitions: Iterable[Partition], _: float) -> Offsets:
        if self.committed is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return {partition: self.committed.get(partition, -1001) for partition in partitions}

    def seek(self, where: TopicPartition) -> None:
        if not self.started:
            raise KafkaException(KafkaError(KafkaError._STATE))
        assert (where.topic, where.partition) in self.paused, "what was fetched may be delivered before the seek"
        self.sought.append(((where.topic, where.partition), where.offset))

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(each.topic, each.partition) for each in partitions}


def reading(client: Client, *partitions: Partition) -> Reading:
    """Return a `Reading` whose partitions were just assigned."""
    consumer = cast("Consumer", client)
    starts = Starts(consumer, client, lambda: partitions, latest=False)
    made = Reading(consumer, client, starts, Gaps(client, lambda *_: None))
    made.assign(partitions)
    made.pause_assigned()
    return made


def again(made: Reading) -> None:
    """Resume without waiting for the next retry."""
    made._retry_at = 0.0
    made.resume()


def test_partitions_begin_at_their_committed_offsets_or_their_first_records() -> None:
    client = Client({ZERO: 7})
    made = reading(client, ZERO, ONE)
    assert client.paused == {ZERO, ONE}
    assert made.is_paused(ZERO)
    made.resume()
    assert sorted(client.sought) == [(ZERO, 7), (ONE, OFFSET_BEGINNING)]
    assert client.paused == set()
    assert not made.is_paused(ZERO)
    assert made.complete
    made.resume()
    assert len(client.sought) == 2


def test_a_partition_counts_as_paused_as_soon_as_it_is_assigned() -> None:
    made = reading(Client({}))
    made.assign([ZERO])
    assert made.is_paused(ZERO)


def test_no_partition_starts_before_its_committed_offset_is_known() -> None:
    client = Client(None)
    made = reading(client, ZERO)
    with capture_logs() as logs:
        for _ in range(2):
            again(made)
    (line,) = logs
    assert line["event"] == "waiting for committed offsets before reading newly assigned partitions"
    assert (client.sought, client.paused) == ([], {ZERO})
    client.committed = {ZERO: 7}
    made.resume()
    assert client.sought == [], "the brokers are not asked again and again"
    again(made)
    assert client.sought == [(ZERO, 7)]


def test_a_partition_that_the_client_has_not_started_is_retried() -> None:
    client = Client({ZERO: 7})
    client.started = False
    made = reading(client, ZERO)
    again(made)
    assert client.paused == {ZERO}
    client.started = True
    made.resume()
    assert client.sought == [(ZERO, 7)]
    assert made.complete


def test_a_lost_partition_is_not_sought_and_does_not_stay_paused() -> None:
    client = Client({ZERO: 7, ONE: 8})
    client.started = False
    made = reading(client, ZERO, ONE)
    again(made)
    made.forget([ZERO])
    client.started = True
    made.resume()
    assert client.sought == [(ONE, 8)]
    assert client.paused == set()


def test_paused_partitions_resume_at_their_positions() -> None:
    client = Client({ZERO: 7, ONE: 8})
    made = reading(client, ZERO, ONE)
    made.resume()
    client.sought.clear()
    made.pause({ZERO: 20, ONE: 30})
    assert client.paused == {ZERO, ONE}
    made.forget([ONE])
    made.assign([ONE])  # it was lost and came back meanwhile
    made.resume()
    assert sorted(client.sought) == [(ZERO, 20), (ONE, 8)]
    assert made.complete


@pytest.fixture
def group(kafka: Kafka) -> KafkaSettings:
    return settings(kafka.bootstrap, heartbeat_interval_ms="300", session_timeout_ms="6000")


@pytest.mark.parametrize("where", [0, OFFSET_END])
def test_a_pause_skips_and_repeats_nothing_whatever_position_the_client_has(
    where: int, kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    sent = [b"%d" % number for number in range(50)]
    fill(kafka, topic, sent)
    with joined(group, topic, max_records=20) as member:
        got = values(member.poll())
        member.source.keep_alive(None, 0)
        member.source._consumer.seek(TopicPartition(topic, 0, where))
        while len(got) < len(sent):
            got += values(member.poll())
    assert got == sent


def test_a_wait_for_an_answer_reads_a_batch_on_before_it_pauses(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings
) -> None:
    topic = make_topic()
    sent = [b"%d" % number for number in range(70)]
    fill(kafka, topic, sent)
    with joined(group, topic, max_records=20) as member:
        held = member.poll()
        got, reading = values(held), member.source._reading
        while len(member.source._buffered) < 20:
            assert reading.complete, "after a pause the client fetches again what it had"
            assert member.source.serve(held, 0.1) is not None
        assert member.source.serve(held, 0.1) is not None
        assert not reading.complete, "no more than a batch is buffered"
        sizes = []
        while len(got) < len(sent):
            records = member.poll()
            sizes.append(len(records))
            got += values(records)
    assert got == sent
    assert sizes[0] == 20


class Early:
    """A client whose call returns messages and also revokes and reassigns their partition."""

    def __init__(self, member: Member, messages: list[Message], partition: TopicPartition) -> None:
        self._source, self._messages, self._partition = member.source, messages, partition
        self._consumer = member.source._consumer

    def consume(self, _: int, __: float) -> list[Message]:
        self._source._on_lost(self._consumer, [self._partition])
        self._source._on_assign(self._consumer, [self._partition])
        return self._messages

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)


def test_stale_messages_and_ends_of_a_reassigned_partition_are_dropped(
    kafka: Kafka, make_topic: MakeTopic, group: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = make_topic()
    sent = [b"%d" % number for number in range(50)]
    fill(kafka, topic, sent)
    with joined(group, topic, max_records=20) as member:
        assert values(member.poll()) == sent[:20]
        stale: list[Message] = []
        for _ in turns("the other records, and the end behind them"):
            stale += member.source._consumer.consume(31, 1)
            if len(stale) >= 31:
                break
        monkeypatch.setattr(member.source, "_consumer", Early(member, stale, TopicPartition(topic, 0)))
        assert member.source._take(100, 0) == 31
        monkeypatch.undo()
        assert member.source._buffered == []
        assert member.source._ends.passed([]) == {}
        got: list[bytes] = []
        while len(got) < len(sent):  # nothing was committed
            got += values(member.poll())
    assert got == sent


@pytest.mark.parametrize("start_from", ["earliest", "latest"])
def test_a_rebalance_while_a_transaction_holds_the_offsets_moves_no_start(
    kafka: Kafka, make_topic: MakeTopic, start_from: str
) -> None:
    topic = make_topic(partitions=2)
    group = settings(kafka.bootstrap, heartbeat_interval_ms="300", session_timeout_ms="6000")
    group = group.model_copy(update={"delivery": "exactly-once", "start_from": start_from})
    for partition in (0, 1):
        fill(kafka, topic, [b"%d" % number for number in range(ENDS)], partition)
    held = hold_offsets(kafka, group.group_id, topic)
    with joined(group, topic) as first:
        poll_until_assigned(first)
        with joined(group, topic) as second:
            begun: dict[int, int] = {}
            ended = False
            for _ in turns("an event of each partition"):
                if len(begun) == 2:
                    break
                for member in (first, second):
                    if records := member.source.poll():
                        for partition, offset in zip(records.partition.tolist(), records.offset.tolist(), strict=True):
                            begun.setdefault(partition, offset)
                if not ended and {len(member.source.assignment.owned) for member in (first, second)} == {1}:
                    held.abort_transaction(10)
                    ended = True
                    for partition in (0, 1):  # under `latest` only an event shows what was skipped
                        fill(kafka, topic, [b"more"], partition)
    assert begun == {0: COMMITTED, 1: COMMITTED}


def poll_until_assigned(member: Member) -> None:
    for _ in turns("an assignment"):
        if member.source.assignment.generation:
            return
        member.source.poll()


def hold_offsets(kafka: Kafka, group: str, topic: str) -> Producer:
    """Commit an offset of both partitions, and add a later one to a transaction that stays open."""
    servers = {"bootstrap.servers": kafka.bootstrap}
    member = Consumer({**servers, "group.id": group, "partition.assignment.strategy": "cooperative-sticky"})
    member.subscribe([topic])
    for _ in turns("an assignment"):
        if len(member.assignment()) == 2:
            break
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
