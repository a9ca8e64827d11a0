"""Polls a server for a roll-out state, and repeats its last answer in between."""

import time
from collections.abc import Callable

from scorer.errors import ScorerError
from scorer.rollout.history import Held

LOOK_SECONDS = 2.0  # between two polls


class Paced:
    """Reads and follows a home whose server does not say when the state changes.

    Args:
        ask: asks the server, and returns what the home holds.
    """

    def __init__(self, ask: Callable[[], Held]) -> None:
        self._ask, self._held = ask, Held()
        self._failures: tuple[ScorerError, ...] = ()  # the error of the last poll
        self._next = 0.0

    def read(self) -> Held:
        """Ask now.

        Raises:
            ScorerError: see `Home.read`.
        """
        self._next = time.monotonic() + LOOK_SECONDS
        try:
            self._held = self._ask()
        except ScorerError as error:
            self._failures = (error,)
            raise
        self._failures = ()
        return self._held

    def wait(self, seconds: float) -> Held:
        """Wait at most some seconds; poll if that is due, and otherwise repeat the last answer or error.

        Raises:
            ScorerError: see `Home.read`.
        """
        time.sleep(max(0.0, min(seconds, self._next - time.monotonic())))
        if time.monotonic() >= self._next:
            return self.read()
        for error in self._failures:
            raise error
        return self._held
