"""At-least-once delivery: commits acknowledged writes in order; a crash between write and commit repeats events."""

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
REVOKE_SECONDS = 2.0  # the time to replace an outdated epoch; a lost membership is never replaced
RETRY_SECONDS = 0.05

log = structlog.get_logger()


class AtLeastOnce:
    """Writes batches immediately, and keeps a window of batches in flight.

    Args:
        sink: the producer.
        checkpoint: the window of batches, which decides what may be committed.
    """

    transaction_open = False

    def __init__(self, sink: Sink, checkpoint: Checkpoint) -> None:
        self._sink, self._checkpoint = sink, checkpoint

    def full(self, events: int) -> bool:
        """Whether the window has no room for a batch of this many events."""
        return self._checkpoint.full(events)

    @property
    def behind(self) -> bool:
        """Whether the loop must wait for commits."""
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
        """How many such events belong to partitions that other replicas have taken over."""
        return self._checkpoint.dropped

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        """Hand a batch to the producer.

        Raises:
            Fatal: the producer permanently refuses a write.
        """
        self._sink.publish(records, payloads, rejected, self._checkpoint.open(records, len(records), on_written))

    def serve(self, seconds: float = 0.0) -> None:
        """Take delivery reports.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._sink.serve(seconds)

    def commit(self) -> None:
        """Commit what is acknowledged, unless another commit is in flight.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._checkpoint.settle()

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions once everything published before is written."""
        self._checkpoint.advance(positions)

    def committed(self, *, confirmed: bool) -> None:
        """Take the result of the commit in flight."""
        self._checkpoint.committed(confirmed=confirmed)

    def finish(self, seconds: float) -> None:
        """Wait for acknowledgements, then commit, and retry commits that are refused temporarily.

        Raises:
            Fatal: the brokers refused a write.
        """
        deadline = time.monotonic() + seconds
        while not self._checkpoint.idle and time.monotonic() < deadline:
            self._sink.serve(SERVE_SECONDS)
            self._checkpoint.take_written()
        deadline = time.monotonic() + REVOKE_SECONDS
        # A callback must wait without a timeout, see `Commits.finish`.
        while not self._checkpoint.finish(math.inf) and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit these partitions again; log how many of their events may be scored twice."""
        if events := self._checkpoint.uncommitted:
            log.warning("partitions left before their last commit: events will be scored again", at_most=events)
        self._checkpoint.forget(partitions)

    def settle(self, seconds: float) -> bool:
        """Take delivery reports and send a commit; return whether everything that is ours is known to be committed.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._sink.poll(min(seconds, SETTLE_SECONDS))
        self._checkpoint.settle()
        return self._checkpoint.clear

    def close(self) -> None:
        """Drop unacknowledged writes."""
        self._sink.close()
