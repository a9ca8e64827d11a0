"""Publishes what this replica does to the monitor topic, and reads what the others publish, on its own thread."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Protocol

import structlog

from scorer.background import Background
from scorer.errors import ScorerError

LOOK_SECONDS = 0.1  # the timeout of one poll
RETRY_SECONDS = 5.0  # after the topic could not be read or written
JOIN_SECONDS = 3.0

MonitorRecord = tuple[str, object]  # KIND/NAME, and a document that json can serialise; None deletes the record

log = structlog.get_logger()


class MonitorLog(Protocol):
    """The monitor topic."""

    def read(self) -> None:
        """Read every record up to the end."""

    def wait(self, seconds: float) -> None:
        """Read the records that arrive within some seconds."""

    def tell(self, name: str, document: object) -> None:
        """Write a record that replaces the last one of the same name, without waiting."""

    def close(self) -> None:
        """Close connections."""


class Teller(Protocol):
    """A source of records to publish. The publishing thread calls its methods, which must not wait for the loop."""

    def due(self, now: float) -> Iterable[MonitorRecord]:
        """Return the records that are due; called several times a second.

        Args:
            now: monotonic seconds.
        """

    def last(self) -> Iterable[MonitorRecord]:
        """Return the records to publish before the replica stops."""


class Telling(Background):
    """Publishes the records of its tellers, and their last ones when it is closed.

    While the topic cannot be read or written, it logs that once and retries.

    Args:
        opened: opens the monitor topic, with the listeners that receive its records.
        tellers: the sources of records, in the order in which they are asked.
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
        """Publish until the replica stops.

        Raises:
            ScorerError: the topic cannot be read or written.
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
                log.warning("monitor topic unavailable: nothing is published to it for now", reason=reason)
            else:
                log.info("monitor topic available again")
