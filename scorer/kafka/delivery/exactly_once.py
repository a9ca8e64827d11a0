"""Exactly once: a batch's predictions, dead letters and offsets become visible together, or not at all."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Aborted
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.delivery import Written
from scorer.kafka.delivery.transactions import Transactions
from scorer.kafka.offsets import Offsets, Partition, next_offsets

POSITIONS_SECONDS = 1.0  # between two transactions that hold nothing but positions


class ExactlyOnce:
    """Writes each batch in a transaction of its own, which has ended when `publish` returns: nothing is in flight.

    Positions beyond the last records take a transaction of their own: a plain commit whose answer is late could
    overtake the transaction of a later batch, and set its offsets back.

    Args:
        transactions: writes.
        membership: returns the group's token of this member, as of now.
        clock: seconds, monotonic.
    """

    full = behind = False
    idle = True
    waiting_seconds = 0.0
    uncommitted = dropped = 0

    def __init__(
        self, transactions: Transactions, membership: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transactions, self._membership, self._clock = transactions, membership, clock
        self._positions: Offsets = {}  # to be committed
        self._due = clock()

    @property
    def transaction_open(self) -> bool:
        """Whether the last transaction may be open."""
        return self._transactions.open

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Write a batch and commit its offsets, atomically.

        Raises:
            Aborted: nothing of it is visible, or that is not known yet; to be tried again with what is still ours.
            Fatal: the brokers refuse it for good. Nothing of it is visible.
        """
        offsets = next_offsets(records)
        for partition in offsets:
            self._positions.pop(partition, None)  # else it would be committed after the batch, which is beyond it
        self._transactions.publish(
            records, payloads, rejected, InFlight(offsets, len(records), len(records), on_written)
        )

    def serve(self, seconds: float = 0.0) -> None:
        """Serve the client's callbacks; settle what is open."""
        self._transactions.serve(seconds)

    def commit(self) -> None:
        """Commit positions beyond the last records, no more often than POSITIONS_SECONDS.

        Raises:
            Fatal: the brokers refuse the commit for good.
        """
        if not self._positions or self._clock() < self._due:
            return
        try:
            self._transactions.commit(self._positions, self._membership())
        except Aborted:  # tried again
            pass
        else:
            self._positions.clear()
        self._due = self._clock() + POSITIONS_SECONDS

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions by and by; all that was published before is written and committed."""
        self._positions |= positions

    def committed(self, *, confirmed: bool) -> None:
        """Do nothing: no commit is made by the consumer."""

    def finish(self, seconds: float) -> None:
        """Leave the positions: whoever reads these partitions next comes to the same."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit positions of these partitions again."""
        for partition in partitions:
            self._positions.pop(partition, None)

    def settle(self, seconds: float) -> bool:
        """End a transaction that may be open; return whether none is."""
        return self._transactions.settle(seconds)

    def close(self) -> None:
        """Leave a transaction whose end is not known to the brokers, which abort it."""
        self._transactions.close()
