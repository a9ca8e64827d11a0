"""Events that the brokers deleted before they were read: no client says so, and nothing but a count can tell."""

from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaException

from scorer.batch import Records
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition, first_offsets, next_offsets

ASK_SECONDS = 1.0
log = structlog.get_logger()


class Gaps:
    """Compares where each partition goes on with where it should.

    An offset that is missing is no sign: compaction and the marks of transactions leave such. A partition whose first
    offset is beyond where we were is one.

    Args:
        commits: tells the first offset of a partition that is still there.
        deleted: told of a topic, a partition and a number of offsets.
    """

    def __init__(self, commits: Commits, deleted: Callable[[str, int, int], None]) -> None:
        self._commits, self._deleted = commits, deleted
        self._starts: Offsets = {}  # of partitions of which nothing was read yet
        self._next: Offsets = {}

    def begin(self, starts: Offsets) -> None:
        """Take note of where partitions begin; below 0 where that is at the first record."""
        self._starts |= starts

    def look(self, records: Records) -> None:
        """Take note of a batch, and tell of what is missing before it."""
        for partition, start in first_offsets(records).items():
            self._compare(partition, start)
        self._next |= next_offsets(records)

    def advance(self, ends: Offsets) -> Offsets:
        """Take note of ends that are reached, tell of what is missing before, and return those that are news."""
        further: Offsets = {}
        for partition, end in ends.items():
            known = self._compare(partition, end)
            if known < end:
                further[partition] = end
            self._next[partition] = max(known, end)
        return further

    def _compare(self, partition: Partition, reached: int) -> int:
        """Tell of what was deleted before an offset that is reached; return where reading was to go on, or -1."""
        begins = partition in self._starts
        expected = self._starts.pop(partition) if begins else self._next.get(partition, -1)
        if 0 <= expected < reached:
            low = min(reached, self._low(partition, ASK_SECONDS if begins else None))
            if expected < low:
                self._tell(partition, expected, low)
        return expected

    def position(self, partition: Partition) -> int | None:
        """Return the next offset to be read, below 0 where that is the first record; None of an unknown partition."""
        return self._next.get(partition, self._starts.get(partition))

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Start anew with partitions that are no longer ours."""
        for partition in partitions:
            self._starts.pop(partition, None)
            self._next.pop(partition, None)

    def _low(self, partition: Partition, seconds: float | None) -> int:
        try:
            return self._commits.low(partition, seconds)
        except KafkaException:
            return 0

    def _tell(self, partition: Partition, expected: int, low: int) -> None:
        topic, number = partition
        self._deleted(topic, number, low - expected)
        log.error(
            "events were deleted before they were read: the topic keeps them for too short a time",
            topic=topic,
            partition=number,
            deleted=low - expected,
            next_offset=low,
        )
