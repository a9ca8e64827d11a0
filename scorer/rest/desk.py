"""Collects requests across connections into batches, which a thread of its own scores one after the other.

The event loop only reads and writes: a batch is decoded, looked up, scored and encoded in the thread, while the loop
collects the next one. So a request never waits for a timer: it is scored at once if the thread is idle, and otherwise
with all others that arrive until the thread is free again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

from scorer.rest.exchange import Route
from scorer.rest.messages import Request, Response

IDLE_SECONDS = 1.0  # between two calls of `idle` while nothing is asked

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Job:
    """A request that waits for its response; `late` once nobody does any more."""

    request: Request
    route: Route
    answered: "asyncio.Future[Response]"
    late: bool = False
    bytes: int = 0  # of its body, so far


Jobs = Sequence[Job]


class Desk:
    """Hands requests from the event loop to the thread that scores, and responses back.

    Args:
        score: returns the response of each request of a batch, on the thread; it raises nothing.
        idle: called on the thread at the start, and while there is nothing to score.
        most: requests in a batch.
    """

    def __init__(self, score: Callable[[Jobs], list[Response]], idle: Callable[[], None], most: int) -> None:
        self._score, self._idle, self._most = score, idle, most
        self._arriving: list[Job] = []
        self._handed: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._thread = Thread(target=self._work, name="scoring", daemon=True)

    def start(self) -> None:
        """Start the thread; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def put(self, job: Job) -> None:
        """Take a request, in the event loop."""
        assert self._loop is not None  # noqa: S101  it was started
        self._arriving.append(job)
        if len(self._arriving) == 1:
            # Requests that arrived at the same time are read within one turn of the loop: they come along.
            self._loop.call_soon(self._loop.call_soon, self._hand_over)

    def stop(self, seconds: float) -> None:
        """End the thread once everything that it was handed is scored, or after some seconds."""
        self._handed.put(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _hand_over(self) -> None:
        arrived, self._arriving = self._arriving, []
        self._handed.put(arrived)

    def _work(self) -> None:
        waiting: deque[Job] = deque()
        self._idle()
        while not self._ended:
            self._collect(waiting)
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._most))]
            if batch:
                self._answer([job for job in batch if not job.late])
            elif not self._ended:
                self._idle()

    def _collect(self, waiting: deque[Job]) -> None:
        """Add what was handed over, and if there is nothing wait for it a while."""
        with suppress(Empty):
            while len(waiting) < self._most and not self._ended:
                handed = self._handed.get(block=not waiting, timeout=IDLE_SECONDS)
                if handed is None:
                    self._ended = True
                else:
                    waiting += handed

    def _answer(self, batch: list[Job]) -> None:
        assert self._loop is not None  # noqa: S101  it was started
        if batch:
            responses = self._score(batch)
            with suppress(RuntimeError):  # the loop has ended: nobody waits
                self._loop.call_soon_threadsafe(_deliver, batch, responses)


def _deliver(batch: Sequence[Job], responses: Sequence[Response]) -> None:
    for job, response in zip(batch, responses, strict=True):
        if not job.answered.done():
            job.answered.set_result(response)
