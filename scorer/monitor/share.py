"""A bound on how much of the processor a thread may use."""

import time
from collections.abc import Callable

LONGEST_PAUSE_SECONDS = 0.2


class Share:
    """A share of the processor for the thread that asks; what it leaves unused is saved up, to a limit.

    Args:
        share: of one processor, 0 to 1.
        most: seconds of work that can be saved up.
        worked: seconds of work that the thread has done so far.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        share: float,
        most: float,
        worked: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._most, self._saved = share, most, most
        self._worked, self._clock = worked, clock
        self._last = worked(), clock()

    def pause(self) -> float:
        """Return for how many seconds to rest after the work since the last call; 0 while the share is not used up."""
        worked, now = self._worked(), self._clock()
        earned = (now - self._last[1]) * self._share
        self._saved = min(self._most, self._saved + earned) - (worked - self._last[0])
        self._last = worked, now
        return min(LONGEST_PAUSE_SECONDS, max(0.0, -self._saved / self._share))
