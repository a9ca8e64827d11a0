"""Where a partition begins that was assigned: at its committed offset, which the client alone does not guarantee.

While a transaction that holds offsets of the group is open, the client waits to be told them. Where the group
rebalances meanwhile, librdkafka (2.16 and before) takes the answer "not yet" for "none" and begins at
`auto.offset.reset`, which is the first record: it reads again all that was scored.
"""

import time
from collections.abc import Callable, Collection, Iterable

import numpy as np
import structlog
from confluent_kafka import KafkaException, TopicPartition

from scorer.batch import Records
from scorer.kafka.consume.records import take
from scorer.kafka.consume.starts import Undecided
from scorer.kafka.delivery.commits import Commits, topic_partitions
from scorer.kafka.offsets import Offsets, Partition, first_offsets

ASK_SECONDS = 1.0
RETRY_SECONDS = 0.2  # between two questions about partitions of which no record waits
log = structlog.get_logger()


class StartOffsets:
    """Compares where each partition begins with what the group has committed, before its first record goes anywhere.

    Args:
        commits: tells the committed offsets.
        seek: the consumer's.
        drop: forgets the records that were fetched of some partitions.
        begin: told the committed offsets of partitions, before the first record of them goes on.
        start: returns the start offsets of partitions of which nothing is committed; none where any will do.
    """

    def __init__(
        self,
        commits: Commits,
        seek: Callable[[TopicPartition], None],
        drop: Callable[[Collection[Partition]], None],
        begin: Callable[[Offsets], None],
        start: Callable[[Collection[Partition]], Offsets],
    ) -> None:
        self._commits, self._seek, self._drop, self._begin, self._start = commits, seek, drop, begin, start
        self._retry_at = 0.0
        self._unchecked: set[Partition] = set()
        self._told = False  # that the brokers do not say
        self._back: Offsets = {}  # where partitions are to go on, that do not yet

    def watch(self, partitions: Iterable[Partition]) -> None:
        """Check partitions that are ours from now on."""
        self._unchecked.update(partitions)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Leave partitions that are no longer ours."""
        for partition in partitions:
            self._unchecked.discard(partition)
            self._back.pop(partition, None)

    def seek_pending(self) -> None:
        """Send partitions back that are to go back: one that is not yet read cannot."""
        if not self._back:
            return
        self._drop(self._back.keys())
        for where in topic_partitions(self._back):
            try:
                self._seek(where)
            except KafkaException:  # not read at present
                continue
            del self._back[where.topic, where.partition]

    def check(self, records: Records) -> Records | None:
        """Return the records of partitions that begin where they should; the others go back, and come again.

        Raises:
            KafkaException: the brokers do not say now where they should begin.
        """
        if not self._unchecked and not self._back:
            return records
        # A partition without records stays unchecked, so this much is done for every batch and must be little.
        starts = {place: start for place, start in first_offsets(records).items() if place in self._unchecked}
        self._back |= self._wrong(starts)
        if not self._back:
            return records
        wrong = {(records.topics.index(topic), number) for topic, number in self._back}
        self.seek_pending()
        rows = zip(records.topic.tolist(), records.partition.tolist(), strict=True)
        return take(records, np.flatnonzero([row not in wrong for row in rows]))

    def check_ends(self, ends: Offsets) -> Offsets:
        """Return the ends of partitions that began where they should; the others are left for a later call.

        A partition whose end is reached without a record cannot have begun too early, as far as anybody can tell.
        """
        fresh = {place: end for place, end in ends.items() if place in self._unchecked}
        if fresh and time.monotonic() >= self._retry_at:
            try:
                begins = self._begins(fresh)
            except (KafkaException, Undecided):
                self._retry_at = time.monotonic() + RETRY_SECONDS
            else:
                self._back |= {place: offset for place, offset in begins.items() if offset > fresh[place]}
        return {place: end for place, end in ends.items() if place not in self._unchecked and place not in self._back}

    def _wrong(self, starts: Offsets) -> Offsets:
        """Return where partitions are to go on that began elsewhere."""
        begins = self._begins(starts) if starts else {}
        wrong = {place: offset for place, offset in begins.items() if 0 <= offset != starts[place]}
        for (topic, partition), offset in wrong.items():
            began = starts[topic, partition]
            log.info("seeking to the committed offset", topic=topic, partition=partition, began=began, offset=offset)
        return wrong

    def _begins(self, partitions: Collection[Partition]) -> Offsets:
        """Return where partitions are to begin, below 0 where that is at the first record; they are then checked."""
        begins = self._asked(partitions)
        self._begin(begins)
        # What comes next is what there is: an offset may be compacted away.
        self._unchecked.difference_update(partitions)
        return begins

    def _asked(self, partitions: Iterable[Partition]) -> Offsets:
        try:
            committed = self._commits.read(partitions, ASK_SECONDS)
            if new := [partition for partition, offset in committed.items() if offset < 0]:
                committed |= self._start(new)
        except KafkaException as error:
            if not self._told:
                log.warning("partitions begin when their committed offsets are known", error=error.args[0].str())
            self._told = True
            raise
        except Undecided as error:
            if not self._told:
                log.info("partitions begin when the group has decided where it starts", reason=str(error))
            self._told = True
            raise
        self._told = False
        return committed
