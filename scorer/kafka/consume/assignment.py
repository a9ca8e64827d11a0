"""The partitions of this replica, and the records that were read while it owned them."""

from collections.abc import Iterable

import numpy as np

from scorer.batch import Records
from scorer.kafka.consume.records import take
from scorer.kafka.offsets import Partition


class Assignment:
    """The owned partitions, each with the generation in which it was assigned.

    The generation counts the changes of this assignment. A record is ours if we have owned its partition without a
    break since the record was read: after a break, the partition starts again at its committed offset.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.owned: dict[Partition, int] = {}
        self.joined = False  # whether the group gave us a share, which may be empty (a standby)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Add partitions that were assigned."""
        self.joined = True
        self.generation += 1
        self.owned.update(dict.fromkeys(partitions, self.generation))

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Remove partitions that were revoked."""
        self.generation += 1
        for partition in partitions:
            self.owned.pop(partition, None)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """Remove partitions that were lost: until we rejoin the group, we are not even a standby."""
        self.revoke(partitions)
        self.joined = False

    def ours(self, records: Records) -> Records | None:
        """Return the records that are ours, or None if there are none."""
        never = self.generation + 1
        ours = [
            self.owned.get((records.topics[topic], partition), never) <= records.generation
            for topic, partition in zip(records.topic.tolist(), records.partition.tolist(), strict=True)
        ]
        return take(records, np.flatnonzero(ours))
