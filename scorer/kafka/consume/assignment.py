"""Which partitions are ours, and which records were read while they were."""

from collections.abc import Iterable

import numpy as np

from scorer.batch import Records
from scorer.kafka.consume.records import take
from scorer.kafka.offsets import Partition


class Assignment:
    """The partitions of this replica, each with the generation under which it was assigned.

    A generation counts the changes seen here. A record is ours when its partition is, and has been without a break
    since the record was read: after a break the partition starts again at its committed offset.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.owned: dict[Partition, int] = {}
        self.joined = False  # the group gave us our share, which may be nothing (a standby)

    def gain(self, partitions: Iterable[Partition]) -> None:
        """Take partitions that were assigned."""
        self.joined = True
        self.generation += 1
        self.owned.update(dict.fromkeys(partitions, self.generation))

    def let_go(self, partitions: Iterable[Partition]) -> None:
        """Give up partitions that were revoked."""
        self.generation += 1
        for partition in partitions:
            self.owned.pop(partition, None)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """Give up partitions that the group took away unasked: we are not even a standby until it has us again."""
        self.let_go(partitions)
        self.joined = False

    def ours(self, records: Records) -> Records | None:
        """Return the records that are ours, None where none is."""
        never = self.generation + 1
        ours = [
            self.owned.get((records.topics[topic], partition), never) <= records.generation
            for topic, partition in zip(records.topic.tolist(), records.partition.tolist(), strict=True)
        ]
        return take(records, np.flatnonzero(ours))
