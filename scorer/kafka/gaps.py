"""Events that the brokers deleted before they were read: no client says so, and nothing but a count can tell."""

from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaException

from scorer.batch import Records
from scorer.kafka.commits import Commits
from scorer.kafka.offsets import Offsets, Partition, first_offsets, next_offsets

ASK_SECONDS = 1.0
log = structlog.get_logger()


class Gaps:
    """Compares where each partition goes on with where it should.

    An offset that is missing is no sign: compaction and the marks of transactions leave such. A partition whose first
    offset is beyond where we were is one.

    Args:
        commits: tells the committed offset where a partition began, and its first offset that is still there.
        deleted: told of a topic, a partition and a number of offsets.
    """

    def __init__(self, commits: Commits, deleted: Callable[[str, int, int], None]) -> None:
        self._commits, self._deleted = commits, deleted
        self._next: Offsets = {}

    def look(self, records: Records) -> None:
        """Take note of a batch, and tell of what is missing before it."""
        starts = first_offsets(records)
        new = starts.keys() - self._next.keys()
        self._next |= self._began(new)
        for partition, start in starts.items():
            expected = self._next.get(partition, start)
            if 0 <= expected < start:
                low = min(start, self._low(partition, ASK_SECONDS if partition in new else None))
                if expected < low:
                    self._tell(partition, expected, low)
        self._next |= next_offsets(records)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Start anew with partitions that are no longer ours."""
        for partition in partitions:
            self._next.pop(partition, None)

    def _began(self, partitions: Iterable[Partition]) -> Offsets:
        try:
            return self._commits.read(partitions, ASK_SECONDS) if partitions else {}
        except KafkaException:  # they do not answer now, and nothing waits for this
            return {}

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
