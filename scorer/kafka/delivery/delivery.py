"""What the loop and the consumer know of delivery: one object, which publishes batches and commits them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from scorer.batch import Payloads, Records, Rejected
from scorer.kafka.offsets import Partition

Written = Callable[[Sequence[Rejected]], None]  # told, once a batch is written, which predictions became dead letters


class Delivery(Protocol):
    """One mode of delivery. The loop calls `publish`, `serve` and `commit`; the consumer calls the rest."""

    @property
    def full(self) -> bool:
        """Whether it takes no other batch until writes are acknowledged."""

    @property
    def behind(self) -> bool:
        """Whether so much is written and not known to be committed that commits must be waited for."""

    @property
    def idle(self) -> bool:
        """Whether no write is unacknowledged."""

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest unacknowledged batch has been the oldest; 0 where none is."""

    @property
    def uncommitted(self) -> int:
        """How many events are published and not known to be committed: at most so many are published again."""

    @property
    def dropped(self) -> int:
        """How many such events were left to other replicas since the start, with their partitions."""

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Write a prediction for each scored row of a batch and a dead letter for each rejected one, in their order.

        Args:
            records: the batch.
            payloads: its encoded predictions.
            rejected: its rejected rows.
            on_written: called once all of it is written, perhaps much later.

        Raises:
            Aborted: nothing of it is visible; try again with the records that are still ours.
            Fatal: the brokers refuse it for good. Nothing of it is committed.
        """

    def serve(self, seconds: float = 0.0) -> None:
        """Take delivery reports, waiting at most some seconds for one.

        Raises:
            Fatal: the brokers refused a write.
        """

    def commit(self) -> None:
        """Commit what may be committed and is due.

        Raises:
            Fatal: the brokers refused a write. Nothing at or above it is ever committed.
        """

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions beyond the last records of partitions, once all that was published before is written."""

    def committed(self, *, confirmed: bool) -> None:
        """Take the result of the commit on its way, in a callback of the consumer."""

    def finish(self, seconds: float) -> None:
        """Have all that is published written and committed, in a callback of the consumer, before partitions go.

        Args:
            seconds: for the writes to be acknowledged.

        Raises:
            Fatal: the brokers refused a write.
        """

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit these partitions again: they are no longer ours."""

    def settle(self, seconds: float) -> bool:
        """Go on with what is in flight, for a moment and at most some seconds; return whether nothing is left."""

    @property
    def transaction_open(self) -> bool:
        """Whether a transaction may be open, which holds up readers of committed records."""

    def close(self) -> None:
        """Drop what was not acknowledged, so that leaving does not wait for brokers that are away."""
