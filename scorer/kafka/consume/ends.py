"""Ends of partitions, so that the committed offset passes what no record tells of.

Markers of transactions, aborted records and compacted ones have offsets, and are delivered to nobody. Behind the last
record they would count as lag for ever. The client reports the end of a partition in the order of its records: all
that can be read below that offset has been delivered by then.
"""

from collections.abc import Collection

from confluent_kafka import KafkaError, Message

from scorer.kafka.consume.gaps import Gaps
from scorer.kafka.offsets import Offsets, Partition


class Ends:
    """The ends that the client reported of partitions that are read, each until the position may advance to it.

    Args:
        gaps: know how far each partition has been read, and find what was deleted before the end.
    """

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._reached: Offsets = {}

    def reached(self, message: Message) -> bool:
        """Take note of an end; return False for any other error that came in place of a record."""
        error, topic, partition, offset = message.error(), message.topic(), message.partition(), message.offset()
        if error is None or error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are so named
            return False
        if topic is not None and partition is not None and offset is not None:
            self._reached[topic, partition] = offset
        return True

    def forget(self, partitions: Collection[Partition]) -> None:
        """Drop the ends of partitions whose delivered records are dropped: those below the end come again."""
        for partition in partitions:
            self._reached.pop(partition, None)

    def passed(self, held: Collection[Message]) -> Offsets:
        """Return the positions, beyond the last records handed out, that may be committed once those are written.

        Args:
            held: delivered records that were not handed out yet. An end waits for those of its partition.
        """
        if not self._reached:
            return {}
        waiting = {(message.topic(), message.partition()) for message in held}
        ends = {place: end for place, end in self._reached.items() if place not in waiting}
        self.forget(ends)
        return self._gaps.advance(ends)
