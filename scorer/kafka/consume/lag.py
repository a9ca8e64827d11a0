"""The lag of this replica's partitions."""

import time
from collections.abc import Callable, Collection

from confluent_kafka import Consumer, TopicPartition

from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Partition

LAG_SECONDS = 1.0  # between two readings of the watermarks, which take one call for each partition


class Lag:
    """Reports the lag of each partition periodically.

    Args:
        consumer: returns the ends of partitions.
        observer: receives the lag.
        position: returns the next offset to read in a partition; None or below 0 if it is unknown.
    """

    def __init__(self, consumer: Consumer, observer: Observer, position: Callable[[Partition], int | None]) -> None:
        self._consumer, self._observer, self._position = consumer, observer, position
        self._due = 0.0

    def report(self, owned: Collection[Partition]) -> None:
        """Report how many offsets of each partition are still to be read, at most every LAG_SECONDS."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + LAG_SECONDS
        for topic, partition in owned:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            position = self._position((topic, partition))
            if position is not None and position >= 0 and end >= 0:
                self._observer.lag(topic, partition, max(0, end - position))
