"""How far the partitions of this replica are behind."""

import time
from collections.abc import Callable, Collection

from confluent_kafka import Consumer, TopicPartition

from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Partition

LAG_SECONDS = 1.0  # between two looks at the watermarks, which cost a call a partition


class Lag:
    """Tells the lag of each partition, every so often.

    Args:
        consumer: asked for the ends of partitions.
        observer: told the lag.
        position: returns the next offset to be read of a partition; None or below 0 where that is not known.
    """

    def __init__(self, consumer: Consumer, observer: Observer, position: Callable[[Partition], int | None]) -> None:
        self._consumer, self._observer, self._position = consumer, observer, position
        self._due = 0.0

    def look(self, owned: Collection[Partition]) -> None:
        """Tell how many offsets of each partition are still to be read, unless that was told a moment ago."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + LAG_SECONDS
        for topic, partition in owned:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            position = self._position((topic, partition))
            if position is not None and position >= 0 and end >= 0:
                self._observer.lag(topic, partition, max(0, end - position))
