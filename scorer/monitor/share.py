"""A limit on the CPU time of a thread."""

import time
from collections.abc import Callable

LONGEST_PAUSE_SECONDS = 0.2


class Share:
    """Limits the calling thread to a share of one CPU; unused time is saved up, to a limit.

    Args:
        share: the share of one CPU, 0 to 1.
        most: seconds of CPU time that can be saved up.
        worked: returns the CPU seconds that the thread has used so far.
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
        """Return how many seconds the thread should sleep now; 0 while its share is not used up."""
        worked, now = self._worked(), self._clock()
        earned = (now - self._last[1]) * self._share
        self._saved = min(self._most, self._saved + earned) - (worked - self._last[0])
        self._last = worked, now
        return min(LONGEST_PAUSE_SECONDS, max(0.0, -self._saved / self._share))
