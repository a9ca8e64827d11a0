"""A replica's source and delivery, on fakes or on a real broker, and what can happen to them."""

import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, closing
from typing import Any, cast

import numpy as np
from confluent_kafka import Producer

from scorer.batch import Payloads, Reason, Records, Rejected
from scorer.kafka import (
    AtLeastOnce,
    Checkpoint,
    DeadLetters,
    Delivery,
    ExactlyOnce,
    Limits,
    Reader,
    Sink,
    Source,
    Transactions,
)
from scorer.kafka.delivery.delivery import Written
from scorer.sandbox import Kafka
from scorer.settings import BatchSettings, KafkaSettings
from tests.conftest import topic_maker
from tests.kafka import fakes
from tests.kafka.conftest import settings
from tests.kafka.consume.test_source import Watcher
from tests.kafka.delivery.test_exactly_once import fence
from tests.kafka.ends import wait_ended
from tests.kafka.fakes import EACH, IN_FLIGHT, LARGEST, MOST, WINDOW, Row, rows

PARTITIONS = (0, 1)
EVENTS = 16  # in each partition
PATIENCE_SECONDS = 30.0
LEAVE_GROUP = 13  # the number of this request in Kafka's protocol


class Replica(ABC):
    """A replica that owns all partitions of an input topic.

    source:   the product's, or a fake with the part of it that the loop uses.
    delivery: the product's, or a fake.
    transactional: whether a batch is committed when `publish` returns.
    """

    source: Any
    delivery: Delivery
    transactional: bool

    def read(self, events: int) -> list[Records]:
        """Read batches until they have this many events."""
        batches: list[Records] = []

        def turn() -> None:
            if (batch := self.source.poll()) is not None:
                batches.append(batch)

        self.happens("batch")
        until(lambda: sum(map(len, batches)) >= events, turn)
        return batches

    def publish(
        self,
        batch: Records,
        large: Collection[int] = (),
        rejected: Collection[int] = (),
        on_written: Written = lambda _: None,
    ) -> None:
        """Publish a batch; the predictions of some rows are larger than the topic accepts, other rows are rejected."""
        kept = [row for row in range(len(batch)) if row not in rejected]
        texts = [f"{partition}@{offset}" for partition, offset in rows(batch)]
        values = [texts[row].ljust((LARGEST + 400) * (row in large)).encode() for row in kept]
        ends = np.cumsum([len(value) for value in values], dtype=np.int64)
        dead = [Rejected(row, Reason.BAD_VALUE, "no number") for row in rejected]
        self.delivery.publish(batch, Payloads(np.array(kept), b"".join(values), ends), dead, on_written)

    def acknowledge(self) -> None:
        """Take delivery reports until every write is acknowledged."""

        def turn() -> None:
            self.delivery.serve(0.05)
            self.delivery.commit()

        self.happens("acknowledge")
        turn()
        until(lambda: self.delivery.idle, turn)

    def confirm(self) -> None:
        """Stay in the group until commits have caught up."""
        self.happens("confirm")

        def turn() -> None:
            self.delivery.commit()
            self.source.keep_alive(None, 0.05)

        turn()
        until(lambda: not self.delivery.uncommitted, turn)

    @property
    def owned(self) -> set[int]:
        """The owned partitions."""
        return {number for _, number in self.source.assignment.owned}

    @property
    @abstractmethod
    def topic(self) -> str:
        """The input topic."""

    @abstractmethod
    def happens(self, what: str) -> None:
        """Tell fakes what their brokers do in the next calls. Real brokers do it by themselves."""

    @abstractmethod
    def predictions(self) -> list[Row]:
        """The events whose predictions a consumer reads, in order of the topic, once no transaction is open."""

    @abstractmethod
    def letters(self) -> list[Row]:
        """The events whose dead letters a consumer reads."""

    @abstractmethod
    def committed(self) -> dict[int, int]:
        """The committed offsets, by partition."""

    @abstractmethod
    def share(self) -> tuple[int, int]:
        """Let another replica join; return the partition that it gets, and the offset at which it starts there."""

    @abstractmethod
    def lose(self, held: Records) -> Records | None:
        """Lose all partitions, and get them back; return which of the held records are still ours."""

    @abstractmethod
    def abort(self) -> None:
        """Make the next transaction fail."""

    @abstractmethod
    def set_available(self, *, available: bool) -> None:
        """Freeze the brokers, or thaw them."""

    @abstractmethod
    def close(self) -> None:
        """Leave the group."""


class Fake(Replica):
    """A replica on fakes."""

    topic = fakes.TOPIC

    def __init__(self, mode: type[fakes.AtLeastOnce | fakes.ExactlyOnce]) -> None:
        self._next = "nothing"
        self._broker = fakes.Broker(dict.fromkeys(PARTITIONS, EVENTS))
        self.delivery = mode(self._broker, lambda: self._next)
        self.transactional = mode is fakes.ExactlyOnce
        self.source = fakes.Source(self.delivery)

    def publish(self, *args: Any, **options: Any) -> None:
        try:
            super().publish(*args, **options)
        finally:
            self.happens("nothing")

    def happens(self, what: str) -> None:
        self._next = what

    def predictions(self) -> list[Row]:
        return list(self._broker.predictions)

    def letters(self) -> list[Row]:
        return list(self._broker.letters)

    def committed(self) -> dict[int, int]:
        return {number: offset for (_, number), offset in self._broker.committed.items()}

    def share(self) -> tuple[int, int]:
        self.happens("revoke 1")
        self.source.keep_alive(None, 0)
        return 1, self.committed()[1]

    def lose(self, held: Records) -> Records | None:
        left: Records | None = held
        for step in ("lose 0", "gain 0", "return 1"):
            self.happens(step)
            left = self.source.keep_alive(left, 0)
        self.happens("nothing")
        return left

    def abort(self) -> None:
        self.happens("aborted")

    def set_available(self, *, available: bool) -> None:
        self._broker.available = available

    def close(self) -> None:
        """Nothing to do."""


class Real(Replica):
    """A replica on a real broker."""

    def __init__(self, broker: Kafka, chosen: KafkaSettings) -> None:
        self._broker, self._settings = broker, chosen
        self._stack = ExitStack()
        self.source = Source(chosen, BatchSettings(max_records=2 * EACH), Watcher(), lambda _: None)
        letters = DeadLetters(chosen.dead_letter_topic, "model", "1")
        self.transactional = chosen.delivery == "exactly-once"
        if self.transactional:
            self._transactions = Transactions(chosen, letters, lambda _: None, self.source.commits)
            self.delivery = ExactlyOnce(self._transactions, self.source.membership)
        else:
            checkpoint = Checkpoint(self.source.commits, Limits(WINDOW, IN_FLIGHT, most=MOST), lambda _: None)
            self.delivery = AtLeastOnce(Sink(chosen, letters, lambda _: None), checkpoint)
        self.source.subscribe(self.delivery)

    @classmethod
    def on(cls, broker: Kafka, mode: str, **properties: str) -> "Real":
        """Return a replica with topics of its own, and events in its input topic; properties have `_` for `.`."""
        make = topic_maker(broker.bootstrap)
        topics = {
            "input_topics": (make("in", partitions=len(PARTITIONS)),),
            "output_topic": make("out", max_message_bytes=str(LARGEST)),
            "dead_letter_topic": make("dead"),
        }
        chosen = settings(broker.bootstrap, **properties).model_copy(update={"delivery": mode, **topics})
        send(chosen, range(EVENTS))
        return cls(broker, chosen)

    @property
    def topic(self) -> str:
        return self._settings.input_topics[0]

    def happens(self, what: str) -> None:
        """Nothing to do."""

    def predictions(self) -> list[Row]:
        return self._read(self._settings.output_topic)

    def letters(self) -> list[Row]:
        return self._read(self._settings.dead_letter_topic)

    def committed(self) -> dict[int, int]:
        places = [(self.topic, number) for number in PARTITIONS]
        committed = self.source.commits.read(places, PATIENCE_SECONDS)
        return {number: offset for (_, number), offset in committed.items() if offset >= 0}

    def share(self) -> tuple[int, int]:
        other = Real(self._broker, self._settings)
        self._stack.callback(other.close)

        def turn() -> None:
            for each in (self, other):
                each.source.keep_alive(None, 0.05)

        until(lambda: len(self.owned) == len(other.owned) == 1, turn)
        send(self._settings, range(EVENTS, EVENTS + 1))  # in case that all others are committed
        first = other.read(1)[0]
        return other.owned.pop(), int(first.offset[0])

    def lose(self, held: Records) -> Records | None:
        before, left = self.source.assignment.generation, list[Records | None]([held])
        leave_on_behalf_of(self._settings, self.source._consumer.memberid())

        def turn() -> None:
            left[0] = self.source.keep_alive(left[0], 0.05)

        until(lambda: self.source.assignment.generation > before + 1 and self.owned == set(PARTITIONS), turn)
        return left[0]

    def abort(self) -> None:
        fence(self._settings, self._transactions)

    def set_available(self, *, available: bool) -> None:
        if available:
            self._broker.resume()
        else:
            self._broker.pause()

    def close(self) -> None:
        self._stack.close()
        self.delivery.close()
        self.source.close(5)

    def _read(self, topic: str) -> list[Row]:
        wait_ended(self._settings.bootstrap_servers, topic, 1)
        with closing(Reader(self._settings, [topic])) as reader:
            values = [record.value or b"" for record in reader.read("beginning", follow=False)]
        return [cast("Row", tuple(map(int, value.split(b"@")))) for value in values]


def send(kafka: KafkaSettings, offsets: Iterable[int]) -> None:
    """Write events to each partition."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for offset in offsets:
        for partition in PARTITIONS:
            producer.produce(kafka.input_topics[0], f"{partition}@{offset}", partition=partition)
    assert producer.flush(PATIENCE_SECONDS) == 0


def until(condition: Callable[[], bool], turn: Callable[[], object]) -> None:
    """Take turns until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it has not happened"
        turn()


def leave_on_behalf_of(kafka: KafkaSettings, member: str) -> None:
    """Have the brokers forget a member of a group, which takes them at its word, as after a session timeout."""

    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    request = struct.pack(">hhi", LEAVE_GROUP, 1, 0) + text("test") + text(kafka.group_id) + text(member)
    host, _, port = kafka.bootstrap_servers.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(1024)
    size, _, _, error = struct.unpack(">iiih", answer)
    assert (size, error) == (10, 0)
