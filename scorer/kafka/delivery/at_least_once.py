"""At least once: writes that are acknowledged are committed, in order; a crash between the two repeats events."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from scorer.batch import Payloads, Records, Rejected
from scorer.kafka.delivery.checkpoint import Checkpoint
from scorer.kafka.delivery.delivery import Written
from scorer.kafka.delivery.sink import Sink
from scorer.kafka.offsets import Partition

SERVE_SECONDS = 0.05
SETTLE_SECONDS = 0.01
REVOKE_SECONDS = 2.0  # for an outdated epoch to be replaced; a lost membership never is
RETRY_SECONDS = 0.05

log = structlog.get_logger()


class AtLeastOnce:
    """Writes each batch at once, and keeps a window of batches in flight.

    Args:
        sink: writes.
        checkpoint: the window, which decides what may be committed.
    """

    transaction_open = False

    def __init__(self, sink: Sink, checkpoint: Checkpoint) -> None:
        self._sink, self._checkpoint = sink, checkpoint

    @property
    def full(self) -> bool:
        """Whether the window has no room for another batch."""
        return self._checkpoint.full

    @property
    def behind(self) -> bool:
        """Whether commits must be waited for."""
        return self._checkpoint.behind

    @property
    def idle(self) -> bool:
        """Whether every published batch is acknowledged."""
        return self._checkpoint.idle

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest batch in flight has been the oldest."""
        return self._checkpoint.waiting_seconds

    @property
    def uncommitted(self) -> int:
        """How many events are published and not known to be committed."""
        return self._checkpoint.uncommitted

    @property
    def dropped(self) -> int:
        """How many such events went to other replicas with their partitions."""
        return self._checkpoint.dropped

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Hand a batch to the producer.

        Raises:
            Fatal: the producer cannot take a write, whatever the time.
        """
        self._sink.publish(records, payloads, rejected, self._checkpoint.open(records, len(records), on_written))

    def serve(self, seconds: float = 0.0) -> None:
        """Take delivery reports.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._sink.serve(seconds)

    def commit(self) -> None:
        """Send a commit of what is acknowledged, where none is on its way.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._checkpoint.settle()

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions, once all that was published before is written."""
        self._checkpoint.advance(positions)

    def committed(self, *, confirmed: bool) -> None:
        """Take the result of the commit on its way."""
        self._checkpoint.committed(confirmed=confirmed)

    def finish(self, seconds: float) -> None:
        """Wait for acknowledgements, then commit; try again where that is refused for a moment.

        Raises:
            Fatal: the brokers refused a write.
        """
        deadline = time.monotonic() + seconds
        while not self._checkpoint.idle and time.monotonic() < deadline:
            self._sink.serve(SERVE_SECONDS)
            self._checkpoint.take_written()
        deadline = time.monotonic() + REVOKE_SECONDS
        # Only an endless wait will do within a callback, see `Commits.finish`.
        while not self._checkpoint.finish(math.inf) and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit these partitions again; say how much of them may be scored twice."""
        if events := self._checkpoint.uncommitted:
            log.warning("partitions went before their last commit: events are scored again", at_most=events)
        self._checkpoint.forget(partitions)

    def settle(self, seconds: float) -> bool:
        """Take delivery reports and send a commit; return whether all that is ours is known to be committed.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._sink.poll(min(seconds, SETTLE_SECONDS))
        self._checkpoint.settle()
        return self._checkpoint.clear

    def close(self) -> None:
        """Drop what was not acknowledged."""
        self._sink.close()
