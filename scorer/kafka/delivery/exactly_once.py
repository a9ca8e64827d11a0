"""Exactly-once delivery: a batch's predictions, dead letters and offsets become visible together, or not at all."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Aborted
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.delivery import Written
from scorer.kafka.delivery.transactions import Transactions
from scorer.kafka.offsets import Offsets, Partition, next_offsets

POSITIONS_SECONDS = 1.0  # between two transactions that contain only positions


class ExactlyOnce:
    """Writes each batch in its own transaction, which has ended when `publish` returns: nothing is in flight.

    Positions beyond the last records have their own transactions. A plain commit could be delayed until after the
    transaction of a later batch, and would set its offsets back.

    Args:
        transactions: the transactional producer.
        membership: returns the current group metadata of this member.
        clock: monotonic seconds.
    """

    behind = False
    idle = True
    waiting_seconds = 0.0
    uncommitted = dropped = 0

    def __init__(
        self, transactions: Transactions, membership: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transactions, self._membership, self._clock = transactions, membership, clock
        self._positions: Offsets = {}  # positions to commit
        self._due = clock()

    @property
    def transaction_open(self) -> bool:
        """Whether the last transaction may be open."""
        return self._transactions.open

    def full(self, events: int) -> bool:  # noqa: ARG002  as the protocol has it
        """Return False: nothing is in flight between two batches."""
        return False

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Write a batch and commit its offsets, atomically.

        Raises:
            Aborted: nothing of the batch is visible, or its fate is unknown; retry with the records that are still
                ours.
            Fatal: the brokers refuse the batch permanently. Nothing of it is visible.
        """
        offsets = next_offsets(records)
        for partition in offsets:
            self._positions.pop(partition, None)  # otherwise it would be committed after the batch and set it back
        self._transactions.publish(
            records, payloads, rejected, InFlight(offsets, len(records), len(records), on_written)
        )

    def serve(self, seconds: float = 0.0) -> None:
        """Serve the client's callbacks, and settle a transaction that may be open."""
        self._transactions.serve(seconds)

    def commit(self) -> None:
        """Commit positions beyond the last records, at most every POSITIONS_SECONDS.

        Raises:
            Fatal: the brokers refuse the commit permanently.
        """
        if not self._positions or self._clock() < self._due:
            return
        try:
            self._transactions.commit(self._positions, self._membership())
        except Aborted:  # the next call retries
            pass
        else:
            self._positions.clear()
        self._due = self._clock() + POSITIONS_SECONDS

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions later; everything published before is already written and committed."""
        self._positions |= positions

    def committed(self, *, confirmed: bool) -> None:
        """Do nothing: the consumer makes no commits."""

    def finish(self, seconds: float) -> None:
        """Do nothing: batches are committed, and the next owner of the partitions finds the same positions."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit positions of these partitions again."""
        for partition in partitions:
            self._positions.pop(partition, None)

    def settle(self, seconds: float) -> bool:
        """End a transaction that may be open; return whether none is open."""
        return self._transactions.settle(seconds)

    def close(self) -> None:
        """Close without ending a transaction of unknown state; the brokers abort it."""
        self._transactions.close()
