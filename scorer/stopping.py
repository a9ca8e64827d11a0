"""Stopping a program that must not be interrupted: a signal sets a flag, with a deadline."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """A request to stop, with a deadline that starts when it is made.

    Args:
        seconds: how long stopping may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._deadline = seconds, math.inf

    def request(self) -> None:
        """Start the deadline; a second request changes nothing."""
        if not self.requested():
            self._deadline = time.monotonic() + self.seconds

    def requested(self) -> bool:
        """Return whether a stop was requested."""
        return self._deadline < math.inf

    def left(self) -> float:
        """Return the seconds until the deadline: never negative, and infinite before the request."""
        return max(0.0, self._deadline - time.monotonic())


@contextmanager
def by_signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C set a flag and do nothing else: an exception inside `consume` would lose its records."""
    before = {number: signal.signal(number, lambda *_: stop.request()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
