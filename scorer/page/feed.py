"""Follows the monitor topic on its own thread, and keeps the document that the live page shows."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from scorer.background import Background
from scorer.errors import ScorerError
from scorer.kafka import MonitorListener
from scorer.page.board import Board
from scorer.page.status import KIND, read_status
from scorer.page.view import Document, Known, Offsets, point, view

SERIES_SECONDS = 600  # the length of the series, which has one point per second
LOOK_SECONDS = 0.2  # the timeout of one poll
TICK_SECONDS = 1.0  # between two documents
RETRY_SECONDS = 5.0  # after the log could not be read
JOIN_SECONDS = 2.0
POINT = ("time", "events", "p50", "p99", "lag")  # the numbers of a point of the series


class Mark(NamedTuple):
    """The position of a viewer: the time of the last point that it got, and the last window with its baseline."""

    time: float
    window: int
    baseline: str = ""


class Chapter(MonitorListener, Protocol):
    """A part of the document that is made from other kinds of records."""

    def document(self) -> Document | None:
        """Return the part; None before the first record."""


class FeedLog(Protocol):
    """A log that a feed follows."""

    def read(self) -> None:
        """Read every record up to the end."""

    def wait(self, seconds: float) -> None:
        """Read the records that arrive within some seconds."""

    def close(self) -> None:
        """Close connections."""


class Feed(Background):
    """The document of a group, updated every second, and the series of the last ten minutes.

    The series begins with the records that are already in the log, so it is complete from the start as far as the log
    goes back.

    Args:
        known: the facts that do not come from the replicas' records; `offsets` may be set by another thread.
        opened: opens the log, which passes its records to the given listener; None without a log.
        chapters: make the parts `drift` and `quality`.
        clock: Unix seconds.
    """

    def __init__(
        self,
        known: Known,
        opened: Callable[[MonitorListener], FeedLog] | None,
        chapters: Mapping[str, Chapter] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known, self._open, self._chapters, self._clock = known, opened, dict(chapters or {}), clock
        super().__init__("feed", JOIN_SECONDS)
        self._lock = threading.Lock()
        self._series: deque[list[float | None]] = deque(maxlen=SERIES_SECONDS)
        self._due = 0.0
        self.began()
        self._document = view(self._board, known, clock())

    def offsets(self, offsets: Offsets | None) -> None:
        """Take the group's offsets, from any thread."""
        self._known.offsets = offsets

    def document(self) -> Document:
        """Return the newest document, with the series."""
        with self._lock:
            return {**self._document, "series": {"names": POINT, "points": list(self._series)}}

    def news(self, since: Mark) -> tuple[bytes, Mark]:
        """Return the newest document as JSON with only the new points and windows, and its mark.

        Args:
            since: the mark of the document that was sent before.
        """
        with self._lock:
            document, points = self._document, [each for each in self._series if (each[0] or 0) > since.time]
        changed = {"drift": newer(document["drift"], since)} if document["drift"] else {}
        whole = {**document, **changed, "series": {"names": POINT, "points": points}}
        last = mark_of(whole, document["drift"])
        return _text(whole), last if points else last._replace(time=since.time)

    def whole(self) -> tuple[bytes, Mark]:
        """Return the whole document as JSON, and its mark."""
        document = self.document()
        return _text(document), mark_of(document, document["drift"])

    # The following methods are called on the feed's thread.

    def began(self) -> None:
        """Forget all records."""
        self._board, self._live = Board(self._known.group), False
        for chapter in self._chapters.values():
            chapter.began()

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record. One that was in the log before the feed started counts at the time when it was written."""
        now = self._clock()
        at = now if self._live else min(seconds, now)
        if kind == KIND:
            status = None if document is None else read_status(document)
            if status is not None or document is None:
                self._board.heard(name, status, at)
        for chapter in self._chapters.values():
            chapter.heard(kind, name, document, seconds)
        if not self._live and now - at < SERIES_SECONDS and at >= self._due:
            self._due = at + TICK_SECONDS
            with self._lock:
                self._series.append(point(self._board, replace(self._known, offsets=None), at))

    def tick(self) -> None:
        """Update the document if that is due."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + TICK_SECONDS
        self._board.forget(now)
        for name, chapter in self._chapters.items():
            setattr(self._known, name, chapter.document())
        new, made = point(self._board, self._known, now), view(self._board, self._known, now)
        with self._lock:
            self._series.append(new)
            self._document = made

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except ScorerError as error:
                self._known.reading = "; ".join(str(error).splitlines())
                until = time.monotonic() + RETRY_SECONDS
                while time.monotonic() < until and not self._stopping.wait(LOOK_SECONDS):
                    self.tick()

    def _listen(self) -> None:
        """Follow the log until the feed is stopped.

        Raises:
            ScorerError: the log cannot be read.
        """
        if self._open is None:
            while not self._stopping.wait(LOOK_SECONDS):
                self.tick()
            return
        self._live = False
        with closing(self._open(self)) as log:
            log.read()
            self._live, self._known.reading, self._due = True, "", 0.0
            while not self._stopping.is_set():
                log.wait(LOOK_SECONDS)
                self.tick()


class OwnLog:
    """The log of a replica without a monitor topic, which receives only its own records.

    Args:
        listener: receives the records.
        due: returns the records that are due, by kind and name; its argument is monotonic seconds.
    """

    def __init__(self, listener: MonitorListener, due: Callable[[float], Any]) -> None:
        self._listener, self._due = listener, due
        self._stopped = threading.Event()

    def read(self) -> None:
        """Read nothing: there are no earlier records."""

    def wait(self, seconds: float) -> None:
        """Pass on the records that are due, and wait."""
        for key, document in self._due(time.monotonic()):
            kind, _, name = key.partition("/")
            self._listener.heard(kind, name, document, time.time())
        self._stopped.wait(seconds)

    def close(self) -> None:
        """Do nothing."""


def newer(drift: Document, since: Mark) -> Document:
    """Return the drift without the windows up to a mark, and without histograms if no window is new."""
    if drift["baseline"] != since.baseline:
        return drift
    windows = [each for each in drift["windows"] if each["number"] > since.window]
    new: Document = {**drift, "windows": windows, "partial": True}
    if not windows:
        new.pop("histograms", None)
    return new


def mark_of(document: Document, drift: Document | None) -> Mark:
    """Return the mark of a document.

    Args:
        document: has the points of the series.
        drift: has all windows; None if there is none.
    """
    points = document["series"]["points"]
    time = points[-1][0] if points else 0.0
    return Mark(time, drift["windows"][-1]["number"], drift["baseline"]) if drift else Mark(time, -1)


def _text(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
