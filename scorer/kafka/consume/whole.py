"""A member of a group that reads each assigned partition from its first record, and commits nothing.

So its result for a partition depends on the partition's log alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from numpy.typing import NDArray

from scorer.errors import Fatal
from scorer.kafka.brokers.denials import Denials
from scorer.kafka.client import LastError, consumer_properties, settled, within
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.offsets import named
from scorer.settings import BatchSettings, KafkaSettings

CLOSE_SECONDS, ASK_SECONDS = 5.0, 30.0
BATCH = BatchSettings(max_records=10_000)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Records of one partition, in order.

    partition:  its number.
    begins:     whether these are the first records since it was assigned.
    low:        the first offset that it still had when reading began.
    values:     the values that are not null.
    timestamps: int64 [values], milliseconds since the epoch.
    upto:       the offset after the last record.
    """

    partition: int
    begins: bool
    low: int
    values: Sequence[bytes]
    timestamps: NDArray[np.int64]
    upto: int


class Whole:
    """Reads one topic. The client's callbacks raise nothing; the next call raises their failure.

    Args:
        kafka: the brokers and the group. Readers of committed records see what transactions wrote.
        topic: the topic.
        condition: called with the reason why the brokers are unavailable, or the empty text.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, condition: Callable[[str], None]) -> None:
        self._topic, self._servers, self._denials = topic, kafka.bootstrap_servers, Denials(kafka)
        self._next: dict[int, int] = {}  # the next offset of each owned partition; 0 before the first record
        self._low: dict[int, int] = {}
        self._ended: set[int] = set()
        self.lost: set[int] = set()  # partitions that are no longer owned; the caller removes them from the set
        own = {"error_cb": LastError(condition, kafka), "isolation.level": "read_committed"}
        chosen = consumer_properties(kafka, BATCH) | own
        chosen.pop("statistics.interval.ms")
        self._consumer = connect(Consumer, chosen)
        self._consumer.subscribe([topic], on_assign=self._gain, on_revoke=self._lose, on_lost=self._lose)

    @property
    def owned(self) -> frozenset[int]:
        """The owned partitions."""
        return frozenset(self._next)

    def read_to_end(self, partition: int) -> bool:
        """Whether an owned partition has been read to its end since it was assigned."""
        return partition in self._ended

    def take(self, records: int, seconds: float) -> list[Read]:
        """Return the records that arrive within some seconds, by partition.

        Raises:
            Fatal: the topic cannot be read.
            Unavailable: the brokers do not answer; open another reader.
        """
        by_partition: dict[int, list[Message]] = {}
        for message in self._consumer.consume(records, seconds):
            partition = cast("int", message.partition())
            if message.error() is not None:
                self._failed(message)
            elif partition in self._next and cast("int", message.offset()) >= self._next[partition]:
                by_partition.setdefault(partition, []).append(message)
        return [self._read(partition, messages) for partition, messages in by_partition.items()]

    def close(self) -> None:
        """Leave the group."""
        within(CLOSE_SECONDS, self._consumer.close)

    def _read(self, partition: int, messages: Sequence[Message]) -> Read:
        begins = not self._next[partition]
        if begins:
            self._low[partition] = self._first(partition)
        self._next[partition] = upto = cast("int", messages[-1].offset()) + 1
        some = [message for message in messages if message.value()]
        values = [message.value() or b"" for message in some]
        times = np.array([message.timestamp()[1] for message in some], np.int64)
        return Read(partition, begins, self._low[partition], values, times, upto)

    def _first(self, partition: int) -> int:
        place = TopicPartition(self._topic, partition)
        try:
            return int(
                settled(lambda: self._consumer.get_watermark_offsets(place, timeout=ASK_SECONDS), ASK_SECONDS)[0]
            )
        except KafkaException as error:
            raise no_answer(self._servers, error.args[0].str()) from error

    def _failed(self, message: Message) -> None:
        error = message.error()
        assert error is not None  # noqa: S101  the caller's condition
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are so named
            self._ended.add(cast("int", message.partition()))
        elif error.fatal() or error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
            raise Fatal(f"cannot read topic {self._topic}: {self._denials.text(error)}")

    def _gain(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._next[each.partition] = 0
            self._ended.discard(each.partition)
        log.info("partitions of labels assigned", partitions=named((each.topic, each.partition) for each in partitions))

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._next.pop(each.partition, None)
            self.lost.add(each.partition)
