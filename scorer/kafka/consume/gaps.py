"""Detects events that the brokers deleted before they were read, which no client reports."""

from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaException

from scorer.batch import Records
from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition, first_and_next_offsets

ASK_SECONDS = 1.0
log = structlog.get_logger()


class Gaps:
    """Compares the offset of the next record of each partition with the expected one.

    A missing offset alone proves nothing, since compaction and transaction markers leave gaps. Events were deleted if
    the first offset that the partition still has is above the expected one.

    Args:
        commits: returns the first offset that a partition still has.
        deleted: called with a topic, a partition and the number of deleted offsets.
    """

    def __init__(self, commits: Commits, deleted: Callable[[str, int, int], None]) -> None:
        self._commits, self._deleted = commits, deleted
        self._starts: Offsets = {}  # of partitions from which nothing was read yet
        self._next: Offsets = {}

    def begin(self, starts: Offsets) -> None:
        """Note the start offsets of partitions; an offset below 0 means the first record."""
        self._starts |= starts

    def check(self, records: Records) -> None:
        """Note a batch, and report events that were deleted before it."""
        first, following = first_and_next_offsets(records)
        for partition, start in first.items():
            self._compare(partition, start)
        self._next |= following

    def advance(self, ends: Offsets) -> Offsets:
        """Note reached ends, report events that were deleted before them, and return the ends that are new."""
        further: Offsets = {}
        for partition, end in ends.items():
            if self._next.get(partition) == end and partition not in self._starts:
                continue  # the end of the last record, as mostly
            known = self._compare(partition, end)
            if known < end:
                further[partition] = end
            self._next[partition] = max(known, end)
        return further

    def _compare(self, partition: Partition, reached: int) -> int:
        """Report events that were deleted before a reached offset; return the expected offset, or -1 if unknown."""
        begins = partition in self._starts
        expected = self._starts.pop(partition) if begins else self._next.get(partition, -1)
        if 0 <= expected < reached:
            low = min(reached, self._low(partition, ASK_SECONDS if begins else None))
            if expected < low:
                self._report(partition, expected, low)
        return expected

    def position(self, partition: Partition) -> int | None:
        """Return the next offset to read (below 0: the first record), or None if the partition is unknown."""
        return self._next.get(partition, self._starts.get(partition))

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that are no longer ours."""
        for partition in partitions:
            self._starts.pop(partition, None)
            self._next.pop(partition, None)

    def _low(self, partition: Partition, seconds: float | None) -> int:
        try:
            return self._commits.low(partition, seconds)
        except KafkaException:
            return 0

    def _report(self, partition: Partition, expected: int, low: int) -> None:
        topic, number = partition
        self._deleted(topic, number, low - expected)
        log.error(
            "events were deleted before they were read: the retention of the topic is too short",
            topic=topic,
            partition=number,
            deleted=low - expected,
            next_offset=low,
        )
