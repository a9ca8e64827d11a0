"""The interface of delivery for the loop and the consumer: it publishes batches and commits them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from scorer.batch import Payloads, Records, Rejected
from scorer.kafka.offsets import Partition

Written = Callable[[Sequence[Rejected]], None]  # receives the predictions of a written batch that became dead letters


class Delivery(Protocol):
    """A mode of delivery. The loop calls `publish`, `serve` and `commit`; the consumer calls the other methods."""

    def full(self, events: int) -> bool:
        """Whether it has no room for a batch of this many events until writes are acknowledged."""

    @property
    def behind(self) -> bool:
        """Whether too many written records lack a confirmed commit, so that the loop must wait for commits."""

    @property
    def idle(self) -> bool:
        """Whether every write is acknowledged."""

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest unacknowledged batch has been the oldest; 0 if there is none."""

    @property
    def uncommitted(self) -> int:
        """How many events are published and not known to be committed: at most these are published again."""

    @property
    def dropped(self) -> int:
        """How many such events, since the start, belong to partitions that other replicas have taken over."""

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Write a prediction for each scored row of a batch and a dead letter for each rejected row, in order.

        Args:
            records: the batch.
            payloads: its encoded predictions.
            rejected: its rejected rows.
            on_written: called once the whole batch is written, perhaps much later.

        Raises:
            Aborted: nothing of the batch is visible; retry with the records that are still ours.
            Fatal: the brokers refuse the batch permanently. Nothing of it is committed.
        """

    def serve(self, seconds: float = 0.0) -> None:
        """Take delivery reports, and wait at most some seconds for one.

        Raises:
            Fatal: the brokers refused a write.
        """

    def commit(self) -> None:
        """Send a commit if one is due.

        Raises:
            Fatal: the brokers refused a write. Nothing at or above it is ever committed.
        """

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions beyond the last records of partitions once everything published before is written."""

    def committed(self, *, confirmed: bool) -> None:
        """Take the result of the commit in flight, in a callback of the consumer."""

    def finish(self, seconds: float) -> None:
        """Finish all writes and commit them before partitions are revoked, in a callback of the consumer.

        Args:
            seconds: how long to wait for acknowledgements.

        Raises:
            Fatal: the brokers refused a write.
        """

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit these partitions again: they are no longer ours."""

    def settle(self, seconds: float) -> bool:
        """Advance what is in flight, for a moment and at most some seconds; return whether nothing is left."""

    @property
    def transaction_open(self) -> bool:
        """Whether a transaction may be open, which delays readers of committed records."""

    def close(self) -> None:
        """Drop unacknowledged writes, so that the replica stops without waiting for unavailable brokers."""
