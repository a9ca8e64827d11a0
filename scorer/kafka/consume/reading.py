"""Pauses each partition until the consumer seeks to the right offset.

The client's own positions are not reliable, for two reasons. While a transaction with offsets of the group is open, the
client waits for the committed offsets; if the group rebalances meanwhile, librdkafka (2.16 and before) mistakes the
answer "not yet" for "none" and starts at `auto.offset.reset`. And `consume` moves a partition's position after it has
served callbacks, so records fetched before a rebalance may move the position of a partition that was assigned after it;
a pause then makes the client resume from there, and the records in between are never read.
"""

import time
from collections.abc import Collection, Iterable

import structlog
from confluent_kafka import Consumer, KafkaException

from scorer.kafka.consume.gaps import Gaps
from scorer.kafka.consume.starts import Starts
from scorer.kafka.delivery.commits import Commits, topic_partitions
from scorer.kafka.offsets import Offsets, Partition

ASK_SECONDS = 1.0
RETRY_SECONDS = 0.2  # between two requests for committed offsets while the brokers do not return them
log = structlog.get_logger()


class Reading:
    """Pauses partitions, and seeks before it resumes them.

    The caller must drop messages of a paused partition: the seek makes the client deliver them again.

    Args:
        consumer: the client.
        commits: returns committed offsets.
        starts: decides where partitions without a committed offset start.
        gaps: keeps the position of each partition.
    """

    def __init__(self, consumer: Consumer, commits: Commits, starts: Starts, gaps: Gaps) -> None:
        self._consumer, self._commits, self._starts, self._gaps = consumer, commits, starts, gaps
        self._paused: set[Partition] = set()  # paused in the client, which keeps the flag when it loses a partition
        self._unknown: set[Partition] = set()  # assigned, but with an unknown start offset
        self._targets: Offsets = {}  # the offsets from which to resume paused partitions
        self._retry_at = 0.0
        self._logged = False  # whether the wait for committed offsets was logged

    @property
    def complete(self) -> bool:
        """Whether no partition is paused."""
        return not self._paused and not self._unknown

    def is_paused(self, partition: Partition) -> bool:
        """Whether messages of a partition must be dropped."""
        return partition in self._paused or partition in self._unknown

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Add assigned partitions; safe within a callback of the client."""
        self._unknown.update(partitions)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop revoked or lost partitions; safe within a callback of the client."""
        for partition in partitions:
            self._unknown.discard(partition)
            self._targets.pop(partition, None)

    def pause_assigned(self) -> None:
        """Pause partitions that were assigned since the last call."""
        self._pause(self._unknown - self._paused)

    def pause(self, positions: Offsets) -> None:
        """Pause partitions, to be resumed later at these offsets."""
        self._targets |= positions
        self._pause(positions)

    def resume(self) -> None:
        """Resume paused partitions, and start assigned ones at their start offsets, as far as these are known."""
        if self.complete:
            return
        self._find_starts()
        for partition, where in zip(self._targets, topic_partitions(self._targets), strict=True):
            try:
                self._consumer.seek(where)
            except KafkaException:  # the client has not started this partition yet
                continue
            self._continue([partition])
        self._targets = {partition: at for partition, at in self._targets.items() if partition in self._paused}
        # This includes lost partitions: otherwise the client would keep them paused when they come back.
        self._continue(self._paused - self._unknown - self._targets.keys())

    def _pause(self, partitions: Collection[Partition]) -> None:
        if partitions:
            self._consumer.pause(topic_partitions(dict.fromkeys(partitions, 0)))
            self._paused.update(partitions)

    def _continue(self, partitions: Collection[Partition]) -> None:
        if partitions:
            self._consumer.resume(topic_partitions(dict.fromkeys(partitions, 0)))
            self._paused.difference_update(partitions)

    def _find_starts(self) -> None:
        if not self._unknown or time.monotonic() < self._retry_at:
            return
        try:
            starts = self._starts.find(self._commits.read(self._unknown, ASK_SECONDS))
        except KafkaException as error:
            if not self._logged:
                reason = error.args[0].str()
                log.warning("waiting for committed offsets before reading newly assigned partitions", reason=reason)
            starts, self._logged = {}, True
        else:
            self._logged = False
        self._unknown.difference_update(starts)
        self._gaps.begin(starts)
        self._targets |= starts
        self._retry_at = time.monotonic() + RETRY_SECONDS if self._unknown else 0.0
