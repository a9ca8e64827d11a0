"""Tells the group what this replica does, and hears what the others do, on a thread beside the loop."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Protocol

import structlog

from scorer.background import Background
from scorer.errors import ScorerError

LOOK_SECONDS = 0.1  # how long one wait for records may last
RETRY_SECONDS = 5.0  # after the topic could not be read or written
JOIN_SECONDS = 3.0

Said = tuple[str, object]  # KIND/NAME of a record, and its document: what json can write, or None to delete it

log = structlog.get_logger()


class MonitorLog(Protocol):
    """The log in which replicas tell each other what they do."""

    def read(self) -> None:
        """Read to the end."""

    def wait(self, seconds: float) -> None:
        """Read what comes, for at most some seconds."""

    def tell(self, name: str, document: object) -> None:
        """Write a record that replaces the last one of the same name, without waiting."""

    def close(self) -> None:
        """Close connections."""


class Teller(Protocol):
    """Has something to tell. Its methods are called on the telling thread, and must not wait for the loop."""

    def due(self, now: float) -> Iterable[Said]:
        """Return what is to be told now, several times a second.

        Args:
            now: monotonic seconds.
        """

    def last(self) -> Iterable[Said]:
        """Return what is to be told before the replica stops."""


class Telling(Background):
    """Tells, and at its end tells what is left.

    While the topic cannot be read or written, it says so once and tries again.

    Args:
        opened: opens the log; what it reads goes to those who listen there.
        tellers: what is told, in this order.
    """

    def __init__(self, opened: Callable[[], MonitorLog], tellers: Sequence[Teller]) -> None:
        self._open, self._tellers = opened, tellers
        super().__init__("monitor", JOIN_SECONDS)
        self._said = ""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(self._open()) as shared:
                    shared.read()
                    self._tell(shared)
            except ScorerError as error:
                self._say("; ".join(str(error).splitlines()))
                self._stopping.wait(RETRY_SECONDS)

    def _tell(self, shared: MonitorLog) -> None:
        """Tell until the replica stops.

        Raises:
            ScorerError: the log cannot be read or written.
        """
        while not self._stopping.is_set():
            shared.wait(LOOK_SECONDS)
            for teller in self._tellers:
                for name, document in teller.due(time.monotonic()):
                    shared.tell(name, document)
            self._say("")
        for teller in self._tellers:
            for name, document in teller.last():
                shared.tell(name, document)

    def _say(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            if reason:
                log.warning("the monitor topic is out of reach: nothing is told until it is back", reason=reason)
            else:
                log.info("the monitor topic is in reach again")
