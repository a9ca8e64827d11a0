"""Reading topics without side effects: it joins no group and commits nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from scorer.errors import Fatal
from scorer.kafka.client import LastError, reader_properties, settled
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.consume.intake import STEP
from scorer.kafka.headers import Headers, headers_of
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings

Start = Literal["beginning", "end"] | int

POLL_SECONDS = 0.2  # how soon Ctrl-C is noticed


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka delivered it; `timestamp` is in milliseconds since the epoch, or -1 if it has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Reader:
    """Reads every partition of some topics.

    Args:
        kafka: the brokers, and how to log in.
        topics: the topics to read.
        partition: the only partition to read in each topic; None reads all.
        seconds: the timeout of each request to the brokers.
    """

    def __init__(
        self, kafka: KafkaSettings, topics: Sequence[str], partition: int | None = None, seconds: float = 10.0
    ) -> None:
        self._kafka, self._topics, self._partition, self._seconds = kafka, topics, partition, seconds
        self._reason = LastError(kafka=kafka)
        own = {"queued.max.messages.kbytes": 16_384, "error_cb": self._reason}
        self._consumer = connect(Consumer, reader_properties(kafka) | own)

    def read(self, start: Start, *, follow: bool) -> Iterator[Record]:
        """Yield records, in the order of each partition.

        Args:
            start: start with the oldest record, or with those that arrive after this call; a number: in each partition
                with the first record of this time or later, in milliseconds since the epoch.
            follow: wait for more records for ever; otherwise stop at the ends of the topics at the time of this call.

        Raises:
            Unavailable: the brokers do not answer at the start; later the call waits for them.
            Fatal: a topic or the partition does not exist, or the user may not read it.
        """
        ends = self._ends()
        first = self._first(start, ends)
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in first.items()])
        left = {} if follow else {partition: end for partition, end in ends.items() if end > 0}
        while follow or left:
            for message in self._consumer.consume(STEP, POLL_SECONDS):
                partition = cast("Partition", (message.topic(), message.partition()))
                reached = cast("int", message.offset())
                if _is_record(message):
                    if follow or reached < left.get(partition, 0):
                        yield _record(message)
                    reached += 1
                # A transaction's marker has an offset but is not a record: then the end-of-partition event is needed.
                if partition in left and reached >= left[partition]:
                    del left[partition]

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _ends(self) -> dict[Partition, int]:
        """Return the end offset of each partition."""
        with self._asking():
            return {
                partition: settled(partial(self._end, TopicPartition(*partition)), self._seconds)
                for topic in self._topics
                for partition in self._partitions(topic)
            }

    def _first(self, start: Start, ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return the offset at which each partition is read first."""
        if start == "beginning":
            return dict.fromkeys(ends, OFFSET_BEGINNING)
        if start == "end":
            return dict(ends)
        asked = [TopicPartition(*partition, start) for partition in ends]
        with self._asking():
            found = settled(partial(self._consumer.offsets_for_times, asked, timeout=self._seconds), self._seconds)
        offsets = {(each.topic, each.partition): each.offset for each in found}
        return {partition: offsets[partition] if offsets[partition] >= 0 else end for partition, end in ends.items()}

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn a request that the brokers do not answer into the error that says why."""
        try:
            yield
        except KafkaException as error:
            self._consumer.poll(0)  # the reason comes by a callback
            raise no_answer(self._kafka.bootstrap_servers, self._reason.text or error.args[0].str()) from error

    def _end(self, partition: TopicPartition) -> int:
        _, end = self._consumer.get_watermark_offsets(partition, timeout=self._seconds)
        return int(end)

    def _partitions(self, topic: str) -> list[Partition]:
        described = self._consumer.list_topics(topic, timeout=self._seconds).topics[topic]
        if described.error is not None:
            raise Fatal(f"cannot read topic {topic}: {described.error.str()}")
        if self._partition is None:
            return [(topic, partition) for partition in sorted(described.partitions)]
        if self._partition not in described.partitions:
            raise Fatal(f"topic {topic} has no partition {self._partition}; it has {len(described.partitions)}, from 0")
        return [(topic, self._partition)]


def _is_record(message: Message) -> bool:
    """Return whether a message is a record, and not an end-of-partition event."""
    error = message.error()
    if error is None:
        return True
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are so named
        return False
    raise Fatal(f"cannot read topic {message.topic()}: {error.str()}")


def _record(message: Message) -> Record:
    return Record(
        topic=cast("str", message.topic()),
        partition=cast("int", message.partition()),
        offset=cast("int", message.offset()),
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )
