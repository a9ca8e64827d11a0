"""Threads that export spans as they come, and all metrics at intervals. No receiver can block the loop."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence

import structlog

from scorer.background import Background
from scorer.otel.answered import Answered
from scorer.otel.traced import Traced

WAITING = 64  # traced batches or requests that are not exported yet; others are dropped until there is room
TOGETHER = 32  # at most so many of them in one request
IDLE_SECONDS = 0.2  # between two looks at whether to stop
JOIN_SECONDS = 1.0  # the wait for the last request at a stop

log = structlog.get_logger()
Noted = Traced | Answered
Count = Callable[[str, int], None]  # receives `exported` or `dropped`, and a number of spans


class Complaints(logging.Handler):
    """Keeps log messages of the SDK, which would otherwise go to stderr in another format."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: dict[int | None, str] = {}  # the first of each thread
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self._texts.setdefault(record.thread, record.getMessage())

    def take(self) -> str:
        """Return the first message that this thread has logged since the last call; empty if there is none."""
        return self._texts.pop(threading.get_ident(), "")


class Outage:
    """Logs when exports begin to fail, and when they succeed again.

    Args:
        what: a word for what is exported.
        complaints: have the reason of a failure.
    """

    def __init__(self, what: str, complaints: Complaints) -> None:
        self._what, self._complaints, self._failing = what, complaints, False

    def told(self, *, exported: bool) -> None:
        """Take the result of an export, on the thread that made it."""
        reason = self._complaints.take()
        if exported == self._failing:
            self._failing = not exported
            if exported:
                log.info("exports over OTLP succeed again", what=self._what)
            else:
                log.warning("exports over OTLP fail; scoring continues", what=self._what, reason=reason)


class SpanPost(Background):
    """Exports traced batches or requests on its own thread, and at the end those that wait.

    While too many wait, new ones are dropped.

    Args:
        export: exports some of them, and returns whether the receiver accepted them.
        count: counts exported and dropped spans.
        outage: receives the result of each export.
    """

    def __init__(self, export: Callable[[Sequence[Noted]], bool], count: Count, outage: Outage) -> None:
        self._export, self._count, self._outage = export, count, outage
        self._waiting: queue.Queue[Noted] = queue.Queue(WAITING)
        super().__init__("otel-spans", JOIN_SECONDS)

    def send(self, noted: Noted) -> None:
        """Take a batch or a request, or drop it if too many wait already."""
        try:
            self._waiting.put_nowait(noted)
        except queue.Full:
            self._count("dropped", noted.spans)

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._waiting.empty()):
            try:
                batches = [self._waiting.get(timeout=IDLE_SECONDS)]
            except queue.Empty:
                continue
            while len(batches) < TOGETHER and not self._waiting.empty():
                batches.append(self._waiting.get_nowait())
            self._send(batches)

    def _send(self, batches: Sequence[Noted]) -> None:
        exported = succeeds(lambda: self._export(batches))
        self._count("exported" if exported else "dropped", sum(each.spans for each in batches))
        self._outage.told(exported=exported)


class MetricPost(Background):
    """Exports all metrics at intervals, and a last time at the end, on its own thread.

    Args:
        export: exports the current values, and returns whether the receiver accepted them.
        seconds: the time between two exports.
        outage: receives the result of each export.
    """

    def __init__(self, export: Callable[[], bool], seconds: float, outage: Outage) -> None:
        self._export, self._seconds, self._outage = export, seconds, outage
        super().__init__("otel-metrics", JOIN_SECONDS)

    def _run(self) -> None:
        while True:
            stopping = self._stopping.wait(self._seconds)
            self._outage.told(exported=succeeds(self._export))
            if stopping:
                return


def succeeds(export: Callable[[], bool]) -> bool:
    """Return whether an export succeeds; an error of the SDK must not end the thread."""
    try:
        return export()
    except Exception as error:  # noqa: BLE001  whatever a receiver makes the SDK raise
        log.debug("an export raised an error", error=repr(error))
        return False
