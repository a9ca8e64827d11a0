"""Positions beyond the last records, under exactly-once: when they are committed, and how."""

from collections.abc import Callable, Mapping

from scorer.batch import Records
from scorer.errors import Aborted
from scorer.kafka.delivery.bounded import CALL_SECONDS
from scorer.kafka.delivery.checkpoint import Checkpoint, InFlight, Settled
from scorer.kafka.delivery.exactly_once import TransactionalSink
from scorer.kafka.offsets import Partition, next_offsets

POSITIONS_SECONDS = 1.0  # between two transactions that hold nothing but positions


class TransactionCheckpoint(Checkpoint):
    """A checkpoint with little left to commit: offsets of a batch travel in its transaction.

    What is left are positions beyond the last records. They take a transaction of their own: a plain commit whose
    answer is late could overtake the transaction of a later batch, and set its offsets back.
    """

    def open(self, records: Records, expected: int, on_settled: Settled = lambda _: None) -> InFlight:
        """Name the offsets of a batch; it is written and committed, or neither, when `publish` returns."""
        offsets = next_offsets(records)
        for partition in offsets:
            self._written.pop(partition, None)  # else it would be committed after the batch, which is beyond it
        return InFlight(offsets, expected, on_settled)

    def settle(self) -> None:
        """Commit positions beyond the last records, no more often than POSITIONS_SECONDS.

        Raises:
            Fatal: the brokers refuse the commit for good.
        """
        if self._written and self._clock() >= self._due:
            if self._committer.finish(dict(self._written), CALL_SECONDS):
                self._written.clear()
            self._due = self._clock() + POSITIONS_SECONDS

    def finish(self, seconds: float) -> bool:  # noqa: ARG002  as in the class above
        """Leave what there is: whoever reads these partitions next comes to the same positions."""
        return True


class PositionCommits:
    """Carries commits in transactions that hold offsets alone.

    Args:
        sink: whose producer makes them, so that they cannot overtake a batch's or be overtaken.
        membership: returns the group's token of this member, as of now.
    """

    def __init__(self, sink: TransactionalSink, membership: Callable[[], object]) -> None:
        self._sink, self._membership = sink, membership

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        """Commit; whether that came true nobody is told."""
        self.finish(offsets, 0.0)

    def finish(self, offsets: Mapping[Partition, int], seconds: float) -> bool:  # noqa: ARG002  bounded by the sink's calls
        """Commit; return whether the brokers confirmed it.

        Raises:
            Fatal: they refuse it for good.
        """
        try:
            self._sink.commit(offsets, self._membership())
        except Aborted:
            return False
        return True
