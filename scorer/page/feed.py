"""Hears what the replicas of a group tell, and keeps what is shown of it, on a thread of its own."""

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
from scorer.page.board import Board
from scorer.page.status import KIND, read_status
from scorer.page.view import Document, Known, Offsets, point, view

SERIES_SECONDS = 600  # of which a point is kept for each second
LOOK_SECONDS = 0.2  # how long one wait for records may last
TICK_SECONDS = 1.0  # between two documents
RETRY_SECONDS = 5.0  # after the log could not be read
JOIN_SECONDS = 2.0
POINT = ("time", "events", "p50", "p99", "lag")  # what a point of the series has


class Mark(NamedTuple):
    """How far a viewer has seen: the time of the last point of the series, and the last window, by which baseline."""

    time: float
    window: int
    baseline: str = ""


class Ear(Protocol):
    """Is told every record of a log, in its order."""

    def began(self) -> None:
        """The log is read from its first record on: forget what was heard before."""

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """There is a record; `document` is None if it deletes the one before of its kind and name."""


class Chapter(Ear, Protocol):
    """A part of the document that is made of records of other kinds."""

    def document(self) -> Document | None:
        """Return what is shown; None if nobody has told anything."""


class HeardLog(Protocol):
    """What is listened to."""

    def read(self) -> None:
        """Read to the end."""

    def wait(self, seconds: float) -> None:
        """Read what comes, for at most some seconds."""

    def close(self) -> None:
        """Close connections."""


class Feed(Background):
    """The document of a group, made anew each second, and the series of the last ten minutes.

    Records that were there before it began make the series, too: it is whole from the first moment, as far as the log
    has them.

    Args:
        known: what is known besides the replicas' records; `offsets` may be set by another thread.
        opened: opens the log, which tells an ear; None if there is no log.
        chapters: make the parts `drift` and `quality`.
        clock: Unix seconds.
    """

    def __init__(
        self,
        known: Known,
        opened: Callable[[Ear], HeardLog] | None,
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
        """Return the newest document as JSON, with what is new of the series and of the drift, and its mark.

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

    # What follows is called on the thread that listens.

    def began(self) -> None:
        """Forget what was heard."""
        self._board, self._live = Board(self._known.group), False
        for chapter in self._chapters.values():
            chapter.began()

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record. One that was there before we listened counts for the moment when it was written."""
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
        """Make the document anew, if it is time."""
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
        """Listen until stopped.

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
    """The log of a replica that tells nobody but itself.

    Args:
        ear: is told.
        due: returns what there is to tell, by kind and name; its argument is monotonic seconds.
    """

    def __init__(self, ear: Ear, due: Callable[[float], Any]) -> None:
        self._ear, self._due = ear, due
        self._stopped = threading.Event()

    def read(self) -> None:
        """Read nothing: there is no earlier record."""

    def wait(self, seconds: float) -> None:
        """Tell what is due, and wait."""
        for key, document in self._due(time.monotonic()):
            kind, _, name = key.partition("/")
            self._ear.heard(kind, name, document, time.time())
        self._stopped.wait(seconds)

    def close(self) -> None:
        """Do nothing."""


def newer(drift: Document, since: Mark) -> Document:
    """Return the drift without the windows up to a mark; without histograms, if there is no other."""
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
