"""How far the partitions of this replica are behind."""

import time
from collections.abc import Callable, Collection

from confluent_kafka import Consumer

from scorer.kafka.delivery.commits import topic_partitions
from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Partition

LAG_SECONDS = 1.0  # between two looks at the watermarks, which cost a call a partition


class Lag:
    """Tells the lag of each partition, every so often.

    Args:
        consumer: asked for its positions, which it does not know of a partition that delivered no record.
        observer: told the lag.
        reached: returns how far a partition has been read, records or not; below 0 where that is not known.
    """

    def __init__(self, consumer: Consumer, observer: Observer, reached: Callable[[Partition], int]) -> None:
        self._consumer, self._observer, self._reached = consumer, observer, reached
        self._due = 0.0

    def look(self, owned: Collection[Partition]) -> None:
        """Tell how many offsets of each partition are still to be read, unless that was told a moment ago."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + LAG_SECONDS
        for partition in self._consumer.position(topic_partitions(dict.fromkeys(owned, 0))):
            _, end = self._consumer.get_watermark_offsets(partition, cached=True)
            position = max(partition.offset, self._reached((partition.topic, partition.partition)))
            if position >= 0 and end >= 0:
                self._observer.lag(partition.topic, partition.partition, max(0, end - position))
