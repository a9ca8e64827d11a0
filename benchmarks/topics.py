"""The topics of the benchmark: input filled once for all programs, and fresh output for each run."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, though not in the way mypy asks for
    AdminClient,
    NewTopic,
    OffsetSpec,
)

from benchmarks.peer import DEAD_LETTERS
from benchmarks.workload import Workload
from scorer.errors import Fatal

PARTITIONS = 4
_DELIVERY_SECONDS = 60.0
_READY_SECONDS = 60.0
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Output:
    """One record of the output topic; `stamp` is the time of its append, in milliseconds since the epoch."""

    stamp: int
    key: bytes | None
    value: bytes


class Topics:
    """Makes, fills and reads the topics of one broker.

    Args:
        bootstrap: `host:port` of it.
        partitions: of every topic.
        by_key: an event is in the partition of its key, as a Java producer puts it; else they take turns.
    """

    def __init__(self, bootstrap: str, partitions: int = PARTITIONS, *, by_key: bool = False) -> None:
        self.bootstrap, self.partitions, self.by_key = bootstrap, partitions, by_key
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._names = (f"benchmark.{number}" for number in itertools.count())
        self._filled: dict[int, str] = {}
        self._make(DEAD_LETTERS)

    def filled(self, workload: Workload, events: int) -> str:
        """Return a topic with the first events of the workload; programs with the same number share it."""
        if events not in self._filled:
            self._filled[events] = self.empty()
            self._fill(self._filled[events], workload, events)
        return self._filled[events]

    def empty(self) -> str:
        """Return a new topic with the broker's timestamps, since a program may copy the event's."""
        return self._make(next(self._names))

    def count(self, topic: str) -> int:
        """Return the number of records in a topic."""
        ends = {TopicPartition(topic, at): _LATEST for at in range(self.partitions)}
        return sum(end.result().offset for end in self._admin.list_offsets(ends).values())

    def read(self, topic: str) -> Iterator[Output]:
        """Yield the records that are in a topic now."""
        left = self.count(topic)
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "benchmark",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(topic, at, 0) for at in range(self.partitions)])
        try:
            while left > 0:
                for message in consumer.consume(min(left, 10_000), 0.2):
                    left -= 1
                    yield _output(message)
        finally:
            consumer.close()

    def shared(self, group: str, members: int) -> bool:
        """Whether this number of members of a group own their share of a topic's partitions."""
        try:
            found = self._admin.describe_consumer_groups([group])[group].result().members
        except KafkaException:  # as it may be when the group has just begun
            return False
        shares = [len(member.assignment.topic_partitions) for member in found]
        return len(shares) == members and min(shares) >= self.partitions // members

    def remove(self, topic: str) -> None:
        """Free its space."""
        self._admin.delete_topics([topic])[topic].result()

    def _make(self, name: str) -> str:
        stamped = {"message.timestamp.type": "LogAppendTime"}
        self._admin.create_topics([NewTopic(name, self.partitions, 1, config=stamped)])[name].result()
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            try:
                self._admin.list_topics(name, timeout=_READY_SECONDS)  # else it may believe for long what it heard
                self.count(name)
            except KafkaException:  # its partitions have no leader yet, or the broker has too much to do
                time.sleep(0.05)
            else:
                return name
        raise Fatal(f"topic {name} was not ready within {_READY_SECONDS:.0f} s")

    def _fill(self, topic: str, workload: Workload, events: int) -> None:
        feed = Feed(self.bootstrap, topic, linger_ms=50)
        for number in range(events):
            feed.send(*workload.event(number), partition=-1 if self.by_key else number % self.partitions)
        feed.finish()


class Feed:
    """Writes events to a topic."""

    def __init__(self, bootstrap: str, topic: str, linger_ms: int = 0) -> None:
        properties = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": linger_ms}
        self._producer = Producer(properties | {"log_level": 0})
        self._topic = topic

    def send(self, key: bytes, value: bytes, partition: int = -1) -> None:
        """Queue one event, when there is room."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition)
            except BufferError:
                self.serve(0.1)
            else:
                return

    def serve(self, seconds: float) -> None:
        """Serve the producer's callbacks."""
        self._producer.poll(seconds)

    def finish(self) -> None:
        """Wait until everything is written."""
        if self._producer.flush(_DELIVERY_SECONDS):
            raise Fatal(f"topic {self._topic} was not filled within {_DELIVERY_SECONDS:.0f} s")


def _output(message: Message) -> Output:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    return Output(message.timestamp()[1], message.key(), message.value() or b"")
