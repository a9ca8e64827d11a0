"""How long a batch waits for more records: the trade between what it costs and how late it is."""

import time
from collections.abc import Callable

from scorer.settings import BatchSettings

# A batch waits for so many times the processor time that one takes: small ones take a fifth of a core at most.
COSTS = 4
FORGET = 1.05  # by which what a batch costs at least may grow from one to the next
IDLE_SECONDS = 0.1  # that the first record of a batch is waited for, when nothing else is to be done
BUSY_SECONDS = 0.005  # the same, when delivery reports are expected


class Pace:
    """Of the batches of one loop.

    In mode `fixed` every batch waits for `max_wait_ms` to fill. In mode `adaptive` it takes what is there. Where that
    does not fill it, it waits for more, and only for as long as pays off: what a batch costs whatever its size is
    worth some waiting, and no more. A backlog fills batches at once, so it is not waited for in either.

    Args:
        batch: the mode and the limits.
        clock: processor seconds of this thread.
    """

    def __init__(self, batch: BatchSettings, clock: Callable[[], float] = time.thread_time) -> None:
        self.fixed = batch.mode == "fixed"
        self._limit = batch.max_wait_ms / 1000
        self._clock = clock
        self._given: float | None = None  # when the last batch was given out, until it comes back
        self._least = 0.0  # processor seconds of a batch, the least of late

    def batch_started(self) -> None:
        """A batch goes out."""
        self._given = self._clock()

    def batch_done(self) -> None:
        """What went out, if anything did, is done with: another is wanted."""
        if self._given is None:
            return
        cost = self._clock() - self._given
        self._least = min(cost, FORGET * self._least) if self._least else cost
        self._given = None

    @property
    def wait_seconds(self) -> float:
        """For more records, where some are there."""
        return self._limit if self.fixed else min(self._limit, COSTS * self._least)
