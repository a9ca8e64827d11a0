"""How long a batch waits for more records: the trade-off between cost and latency."""

import time
from collections.abc import Callable

from scorer.settings import BatchSettings

# A batch waits for so many times the processor time of a batch, so small batches use at most a fifth of a core.
COSTS = 4
FORGET = 1.05  # the factor by which the lowest cost may grow from one batch to the next
IDLE_SECONDS = 0.1  # the wait for the first record of a batch while there is no other work
BUSY_SECONDS = 0.005  # the same wait while delivery reports are expected


class Pace:
    """The waiting time of the batches of one loop.

    In mode `fixed` every batch waits up to `max_wait_ms` to fill. In mode `adaptive` a batch takes the records that
    are there. If they do not fill it, it waits for more, but only for a few times the fixed cost of a batch. A backlog
    fills batches at once, so they do not wait in either mode.

    Args:
        batch: the mode and the limits.
        clock: processor seconds of this thread.
    """

    def __init__(self, batch: BatchSettings, clock: Callable[[], float] = time.thread_time) -> None:
        self.fixed = batch.mode == "fixed"
        self._limit = batch.max_wait_ms / 1000
        self._clock = clock
        self._started_at: float | None = None  # when the current batch started
        self._lowest_cost = 0.0  # the lowest recent cost of a batch, in processor seconds

    def batch_started(self) -> None:
        """Note that the loop started a batch."""
        self._started_at = self._clock()

    def batch_done(self) -> None:
        """Note that the loop has finished the current batch, if there is one, and asks for the next."""
        if self._started_at is None:
            return
        cost = self._clock() - self._started_at
        self._lowest_cost = min(cost, FORGET * self._lowest_cost) if self._lowest_cost else cost
        self._started_at = None

    @property
    def wait_seconds(self) -> float:
        """How long to wait for more records when some are there."""
        return self._limit if self.fixed else min(self._limit, COSTS * self._lowest_cost)
