"""Transactions on a real broker: a failed one is undone, and one that succeeded unnoticed is not repeated."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from scorer.batch import Payloads, Records
from scorer.errors import Aborted, Fatal
from scorer.kafka import DeadLetters, ExactlyOnce, Reader, Transactions
from scorer.kafka.delivery import exactly_once, transactions
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.writes import Write
from scorer.monitor import Metrics
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic, topic_maker
from tests.kafka.conftest import Losing, settings
from tests.kafka.ends import turns, wait_ended

RECONNECT_SECONDS = 1.5  # by then the client has found its coordinator again
PAYLOADS = Payloads(rows=np.arange(3), data=bytes(300), ends=np.array([100, 200, 300]))


@dataclass
class Member:
    """A member of a group with its transactional producer."""

    kafka: KafkaSettings
    consumer: Consumer
    transactions: Transactions
    delivery: ExactlyOnce

    def publish(self, first: int = 0) -> None:
        """Write three predictions, for the records from an offset on."""
        records = Records(
            topics=self.kafka.input_topics,
            topic=np.zeros(3, np.int32),
            partition=np.zeros(3, np.int32),
            offset=np.arange(first, first + 3),
            timestamp=np.zeros(3, np.int64),
            keys=[None] * 3,
            data=np.zeros(0, np.uint8),
            ends=np.zeros(3, np.int64),
            membership=self.consumer.consumer_group_metadata(),
        )
        self.delivery.publish(records, PAYLOADS, [])

    def visible(self) -> int:
        """Return how many predictions a read_committed consumer sees, once no transaction is open."""
        wait_ended(self.kafka.bootstrap_servers, self.kafka.output_topic, 1)
        with closing(Reader(self.kafka, [self.kafka.output_topic])) as reader:
            return len(list(reader.read("beginning", follow=False)))

    def committed(self) -> int:
        (partition,) = self.consumer.committed([TopicPartition(self.kafka.input_topics[0], 0)], 20)
        return partition.offset


def join(kafka: KafkaSettings, topic: str, output: str) -> Member:
    chosen = kafka.model_copy(update={"input_topics": (topic,), "output_topic": output})
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": kafka.group_id})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 20
    while not consumer.assignment():
        assert time.monotonic() < deadline
        consumer.poll(0.1)
    commits = Commits(consumer, Metrics(()))
    made = Transactions(chosen, DeadLetters("dead", "model", "1"), lambda _: None, commits)
    return Member(chosen, consumer, made, ExactlyOnce(made, consumer.consumer_group_metadata))


def fence(kafka: KafkaSettings, transactions: Transactions) -> Producer:
    """Return a new producer of the same transactional.id, which fences the one of these transactions."""
    name = transactions._properties["transactional.id"]
    other = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    other.init_transactions(10)
    return other


@pytest.fixture
def member(kafka: Kafka, make_topic: MakeTopic) -> Member:
    return join(settings(kafka.bootstrap), make_topic("in"), make_topic("out"))


def test_a_batch_and_its_offsets_are_committed_together(member: Member) -> None:
    member.publish()
    member.publish(3)
    assert (member.visible(), member.committed()) == (6, 6)


def test_a_position_beyond_the_last_record_is_committed_without_a_write(member: Member) -> None:
    member.publish()
    member.delivery.advance({(member.kafka.input_topics[0], 0): 5})
    member.delivery.commit()
    assert (member.visible(), member.committed()) == (3, 5)


def test_a_batch_supersedes_an_earlier_position(member: Member) -> None:
    member.delivery.advance({(member.kafka.input_topics[0], 0): 2})
    member.publish(2)
    member.delivery.commit()
    assert (member.visible(), member.committed()) == (3, 5)


def test_a_position_that_could_not_be_committed_is_retried(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactly_once, "POSITIONS_SECONDS", 0)
    monkeypatch.setattr(
        member.transactions, "_producer", LosesResponses(member.transactions._producer, Producer.abort_transaction)
    )
    member.delivery.advance({(member.kafka.input_topics[0], 0): 5})
    member.delivery.commit()
    assert member.committed() < 0
    member.delivery.commit()
    assert member.committed() == 5


def test_a_fenced_batch_is_aborted_and_retried_with_a_new_producer(member: Member) -> None:
    member.publish()
    fence(member.kafka, member.transactions)
    with pytest.raises(Aborted):
        member.publish(3)
    assert (member.visible(), member.committed()) == (3, 3)
    member.publish(3)
    assert (member.visible(), member.committed()) == (6, 6)


class LosesResponses:
    """A producer whose commit succeeds, or is aborted by the brokers, but whose answer is lost."""

    def __init__(self, producer: Producer, end: Callable[[Producer], None]) -> None:
        self._producer, self._end = producer, end

    def __getattr__(self, name: str) -> object:
        return getattr(self._producer, name)

    def commit_transaction(self, _: float) -> None:
        self._end(self._producer)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize("end", [Producer.commit_transaction, Producer.abort_transaction])
def test_a_transaction_with_an_unknown_outcome_is_settled_first(
    member: Member, end: Callable[[Producer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member.transactions, "_producer", LosesResponses(member.transactions._producer, end))
    with pytest.raises(Aborted):
        member.publish()
    member.publish()
    assert (member.visible(), member.committed()) == (3, 3)


def write_without_end(producer: Producer) -> None:
    """Leave a transaction open that the brokers know about."""
    producer.flush()


def test_a_transaction_with_an_unknown_outcome_is_ended_before_leaving(
    kafka: Kafka, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = settings(kafka.bootstrap, transaction_timeout_ms="300000")  # the brokers would not end it in time
    member = join(patient, make_topic("in"), make_topic("out"))
    assert member.transactions.settle(5)
    monkeypatch.setattr(
        member.transactions, "_producer", LosesResponses(member.transactions._producer, write_without_end)
    )
    with pytest.raises(Aborted):
        member.publish()
    assert not member.transactions.settle(0)
    assert member.transactions.settle(5)
    member.transactions.close()
    assert member.visible() == 0


def test_a_transaction_ended_by_another_producer_is_not_waited_for(member: Member) -> None:
    member.publish()
    other = fence(member.kafka, member.transactions)
    with pytest.raises(Aborted):
        member.publish(3)
    assert member.transactions.settle(0)
    other.begin_transaction()  # the first did not fence it
    other.abort_transaction(10)


def test_a_former_member_of_the_group_writes_nothing(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    member.publish()
    late = member.consumer.consumer_group_metadata()
    member.consumer.close()
    again = join(member.kafka, member.kafka.input_topics[0], member.kafka.output_topic)
    monkeypatch.setattr(again, "consumer", StaleMembership(again.consumer, late))
    with pytest.raises(Aborted):
        again.publish(3)
    assert again.visible() == 3


class StaleMembership:
    """A consumer that returns the group metadata of an earlier membership."""

    def __init__(self, consumer: Consumer, late: object) -> None:
        self._consumer, self._late = consumer, late

    def __getattr__(self, name: str) -> object:
        return getattr(self._consumer, name)

    def consumer_group_metadata(self) -> object:
        return self._late


class WaitsForLoss:
    """Adds no writes to a transaction, but holds it until the acknowledgement of its predictions is lost."""

    def __init__(self, lost: threading.Event) -> None:
        self._lost = lost

    def writes(self, *_: object) -> Sequence[Write]:
        assert self._lost.wait(20)
        time.sleep(RECONNECT_SECONDS)
        return []

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)


def test_a_write_that_was_appended_in_an_aborted_transaction_is_written_again(
    losing: Losing, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka, proxy = losing
    make_topic = topic_maker(kafka.bootstrap)
    # The transaction has to fail before the client writes again what was not acknowledged.
    slow = settings(kafka.bootstrap, retry_backoff_ms="9000", retry_backoff_max_ms="9000")
    former = join(slow, make_topic("in"), make_topic("out"))
    late = former.consumer.consumer_group_metadata()
    former.consumer.close()
    member = join(former.kafka, former.kafka.input_topics[0], former.kafka.output_topic)
    proxy.lose_next()
    with monkeypatch.context() as first:
        first.setattr(member, "consumer", StaleMembership(member.consumer, late))
        first.setattr(member.transactions, "_extra", WaitsForLoss(proxy.lost))
        with pytest.raises(Aborted, match="Failed to commit offsets"):
            member.publish()
    member.publish()
    assert (member.visible(), member.committed()) == (3, 3)


@pytest.mark.prove
def test_a_transaction_that_the_brokers_never_end_is_reported_with_advice(
    kafka: Kafka, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = settings(kafka.bootstrap).model_copy(update={"instance_id": "one"})
    first = join(named, make_topic("in"), make_topic("out", max_message_bytes="1"))
    with suppress(Aborted, Fatal):
        first.publish()  # refused, and so is the marker that would end the transaction
    monkeypatch.setattr(transactions, "START_SECONDS", 0)
    with pytest.raises(Aborted, match=r"previous transaction with this transactional\.id is still open"):
        Transactions(first.kafka, DeadLetters("dead", "model", "1"), lambda _: None, first.transactions._commits)


def test_a_refused_write_aborts_the_batch_and_is_fatal(kafka: Kafka, make_topic: MakeTopic) -> None:
    # The topic accepts the marker that ends a transaction, of 78 bytes, since brokers do not retry a refused marker.
    member = join(settings(kafka.bootstrap), make_topic("in"), make_topic("out", max_message_bytes="100"))

    def publish() -> None:
        for _ in turns("a refusal with its reason"):
            with suppress(Aborted):  # one that arrives while offsets are sent has no reason
                return member.publish()
        return None

    with pytest.raises(Fatal, match="too large"):
        publish()
    assert member.committed() < 0
