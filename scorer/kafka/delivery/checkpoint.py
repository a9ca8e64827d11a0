"""Decides what may be committed. This module alone owns the rule that only written records are committed."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scorer.batch import Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.delivery.delivery import Written
from scorer.kafka.offsets import Offsets, Partition, next_offsets

COMMIT_SECONDS = 0.05  # between two commits of small batches: each costs the brokers as much as one of a large batch


class Committer(Protocol):
    """Sends commits to the brokers."""

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        """Send a commit; `Checkpoint.committed` receives its result later."""

    def finish(self, offsets: Mapping[Partition, int], seconds: float) -> bool:
        """Commit and wait; return whether the brokers confirmed it within the time."""


class InFlight:
    """One published batch whose writes the brokers have not all acknowledged.

    `delivered` is the delivery callback of every write of the batch. It must not raise: an exception would surface in
    the call that happens to serve callbacks, and that call's result would be lost. The sink sets `refused` to handle
    failed writes; by default a failed write stops the replica.
    """

    __slots__ = ("_on_written", "acknowledged", "error", "events", "offsets", "refused", "unwritable", "writes")

    def __init__(self, offsets: Offsets, events: int, writes: int, on_written: Written) -> None:
        self.offsets = offsets
        self.events = events
        self.writes = writes
        self.acknowledged = 0
        self.error: object | None = None
        self.unwritable: list[Rejected] = []  # rows with a dead letter because their prediction was refused
        self.refused: Callable[[Any, Any], None] | None = None
        self._on_written = on_written

    def delivered(self, error: object | None, message: object) -> None:
        """Count one delivery report."""
        if error is None:
            self.acknowledged += 1
        elif self.refused is not None:
            self.refused(error, message)
        else:
            self.error = self.error or error

    @property
    def complete(self) -> bool:
        """Whether every write was acknowledged. Acknowledgements are counted: an empty queue proves nothing."""
        return self.acknowledged == self.writes and self.error is None

    def settled(self) -> None:
        """Report that the whole batch is written."""
        self.refused = None  # breaks a reference cycle
        self._on_written(self.unwritable)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on work in flight.

    window:  how many batches may be unacknowledged.
    records: how many records these batches may have together; a single batch may have more.
    enough:  from how many written records on a commit is sent at once; otherwise COMMIT_SECONDS after the last one.
    most:    how many written records may lack a confirmed commit: a crash repeats them.
    """

    window: int
    records: float = math.inf
    enough: int = 1
    most: float = math.inf


class Checkpoint:
    """The window of batches in flight, in order, and the offsets that follow from it.

    Args:
        committer: sends commits; at most one is in flight at a time, so they cannot overtake one another.
        limits: limits on work in flight.
        in_flight: called with the number of batches in flight whenever it changes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        committer: Committer,
        limits: Limits,
        in_flight: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._committer = committer
        self._limits = limits
        self._in_flight = in_flight
        self._batches: deque[InFlight] = deque()
        self._written: Offsets = {}  # acknowledged, and not confirmed as committed
        self._sent: Offsets | None = None  # the commit in flight
        self._unsent = 0  # written records that no commit has included yet
        self._unconfirmed = 0  # written records that are not confirmed as committed
        self._confirmable = 0  # those of them that are in the commit in flight
        self.dropped = 0  # events whose partitions left before their commit: the next owner scores them again
        self._clock = clock
        self._due = self._oldest = clock()

    def open(self, records: Records, writes: int, on_written: Written = lambda _: None) -> InFlight:
        """Add a batch to the window before its first write; it is complete after `writes` acknowledgements."""
        batch = InFlight(next_offsets(records), len(records), writes, on_written)
        if not self._batches:
            self._oldest = self._clock()
        self._batches.append(batch)
        self._in_flight(len(self._batches))
        return batch

    def advance(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions beyond the last records of partitions once every batch opened before is written."""
        _advance(self._batches[-1].offsets if self._batches else self._written, positions)

    def full(self, events: int) -> bool:
        """Whether the window has no room for a batch of this many events."""
        if not self._batches:
            return False
        together = events + sum(batch.events for batch in self._batches)
        return len(self._batches) >= self._limits.window or together > self._limits.records

    @property
    def behind(self) -> bool:
        """Whether too many written records lack a confirmed commit, so that the loop must wait for commits."""
        return bool(self._written) and self._unconfirmed > self._limits.most

    @property
    def idle(self) -> bool:
        """Whether every published batch is acknowledged."""
        return not self._batches

    @property
    def clear(self) -> bool:
        """Whether every published batch is acknowledged, and known to be committed as far as it is still ours."""
        return not self._batches and not self._written

    @property
    def uncommitted(self) -> int:
        """How many events are published and not known to be committed: at most these are published again."""
        return self._unconfirmed + sum(batch.events for batch in self._batches if batch.offsets)

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest batch in flight has been the oldest; 0 if there is none."""
        return self._clock() - self._oldest if self._batches else 0.0

    def take_written(self) -> None:
        """Remove written batches from the front of the window.

        Raises:
            Fatal: the brokers permanently refused a write. Nothing at or above it is ever committed.
        """
        while self._batches and self._batches[0].complete:
            batch = self._batches.popleft()
            self._oldest = self._clock()
            if batch.offsets:
                self._unsent += batch.events
                self._unconfirmed += batch.events
            _advance(self._written, batch.offsets)
            batch.settled()
            self._in_flight(len(self._batches))
        for batch in self._batches:
            if batch.error is not None:
                raise Fatal(
                    f"the brokers refused a write: {batch.error}. Nothing from there on was committed, so those events"
                    " are scored again at the next start; fix the topic first (`scorer check` reports what it can see)"
                )

    def settle(self) -> None:
        """Remove written batches from the window, and commit what may be committed.

        Raises:
            Fatal: as `take_written`.
        """
        self.take_written()
        if self._sent is None and self._written and (self._unsent >= self._limits.enough or self._clock() >= self._due):
            self._sent, self._confirmable = dict(self._written), self._unconfirmed
            self._unsent, self._due = 0, self._clock() + COMMIT_SECONDS
            self._committer.begin(self._sent)

    def committed(self, *, confirmed: bool) -> None:
        """Take the result of the commit in flight; the next `settle` retries a commit that was not confirmed."""
        sent, self._sent = self._sent or {}, None
        if confirmed:
            self._drop_confirmed(sent, self._confirmable)

    def finish(self, seconds: float) -> bool:
        """Commit everything that is written, and wait; return whether nothing written is left uncommitted.

        Raises:
            Fatal: as `take_written`.
        """
        self.take_written()
        if self._written:
            sent, self._unsent = dict(self._written), 0
            if self._committer.finish(sent, seconds):
                self._drop_confirmed(sent, self._unconfirmed)
        return not self._written

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Never commit these partitions again: they are no longer ours.

        The brokers would accept such a commit after a rejoin, since they check the generation and not the owner.
        """
        before = self.uncommitted
        for partition in partitions:
            self._written.pop(partition, None)
            if self._sent is not None:
                self._sent.pop(partition, None)
            for batch in self._batches:
                batch.offsets.pop(partition, None)
        if not self._written:
            self._unconfirmed = self._confirmable = 0
        self.dropped += before - self.uncommitted

    def _drop_confirmed(self, sent: Offsets, records: int) -> None:
        self._unconfirmed, self._confirmable = self._unconfirmed - records, 0
        for partition, offset in sent.items():
            if self._written.get(partition) == offset:
                del self._written[partition]


def _advance(offsets: Offsets, later: Mapping[Partition, int]) -> None:
    for partition, offset in later.items():
        offsets[partition] = max(offset, offsets.get(partition, 0))
