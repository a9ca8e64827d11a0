"""Collects requests across connections into batches, which are scored one after the other.

A small batch is scored in the event loop itself, without a thread switch: the look-up is sent, the loop goes on, and
the batch is finished when the features arrive. A thread takes whatever could block the loop: large batches, look-ups
that must connect or wait, and all batches while the thread is busy. No request waits for a timer: it is scored at once
if nothing is being scored, and otherwise in the next batch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, Protocol, TypeVar

import structlog

from scorer.rest.clients import Client
from scorer.rest.exchange import Route
from scorer.rest.messages import Request, Response

IDLE_SECONDS = 1.0  # between two calls of `idle` while there are no requests
SMALL_BYTES, SMALL_REQUESTS = 65_536, 64  # of a batch that the event loop may score
HELD_SECONDS = 0.05  # after a batch that blocked the loop for longer, the thread scores the next ones
AWAY_SECONDS = 1.0  # for so long
PATIENCE_SECONDS = 0.02  # for features; then the thread waits for them, with the timeout of the store

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Job:
    """A request that waits for its response; `late` if its client no longer waits."""

    request: Request
    route: Route
    answered: "asyncio.Future[Response]"
    late: bool = False
    bytes: int = 0  # of its body, so far
    client: Client | None = None  # the client, if it has limits


Jobs = Sequence[Job]


class Begun(Protocol):
    """A batch that is decoded, and whose look-up was sent if that was possible without waiting."""

    @property
    def socket(self) -> int | None:
        """The descriptor on which the features arrive; None if nothing was sent."""

    @property
    def blocks(self) -> bool:
        """Whether finishing the batch may block on a server."""

    def complete(self) -> bool | None:
        """Whether all features have arrived; None if the connection broke. It reads without blocking."""


Work = TypeVar("Work", bound=Begun)


class Scoring(Protocol[Work]):
    """Scores batches, one at a time, on any thread. Its methods raise nothing."""

    def begin(self, jobs: Jobs) -> Work:
        """Do the part that does not block."""

    def finish(self, begun: Work) -> list[Response]:
        """Return the response of each request."""

    def idle(self) -> None:
        """Apply roll-out changes and check the store; called at the start, and while there is nothing to score."""


@dataclass(frozen=True, slots=True)
class _Passed(Generic[Work]):
    """A batch that the event loop began, and that the thread finishes."""

    jobs: Jobs
    begun: Work


class Desk(Generic[Work]):
    """Takes requests in the event loop, and gives them their responses.

    Args:
        scoring: scores them.
        most: the largest number of requests in a batch.
        clock: returns seconds.
    """

    def __init__(self, scoring: Scoring[Work], most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._scoring, self._most, self._clock = scoring, most, clock
        self._arriving: list[Job] = []
        self._passed = 0  # requests that the thread has
        self._begun: tuple[Jobs, Work, asyncio.TimerHandle] | None = None  # what the event loop waits for
        self._away_until = 0.0  # when the event loop may score again
        self._turn = Lock()  # held by the thread or the loop while it scores
        self._handed: SimpleQueue[list[Job] | _Passed[Work] | None] = SimpleQueue()
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
        if len(self._arriving) == 1 and self._begun is None:
            # Requests that arrived at the same time are read within one turn of the loop: they come along.
            self._loop.call_soon(self._loop.call_soon, self._hand_over)

    def stop(self, seconds: float) -> None:
        """End the thread once everything that it was handed is scored, or after some seconds."""
        self._handed.put(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _hand_over(self) -> None:
        arrived, self._arriving = self._arriving, []
        if self._small(arrived) and self._turn.acquire(blocking=False):
            self._score_here([job for job in arrived if not job.late])
        else:
            self._passed += len(arrived)
            self._handed.put(arrived)

    def _small(self, jobs: Jobs) -> bool:
        """Whether the event loop may score a batch itself."""
        if self._passed or len(jobs) > SMALL_REQUESTS or sum(job.bytes for job in jobs) > SMALL_BYTES:
            return False
        return self._clock() >= self._away_until

    def _score_here(self, jobs: Jobs) -> None:
        assert self._loop is not None  # noqa: S101  it was started
        began = self._clock()
        begun = self._scoring.begin(jobs)
        self._held_up(began)
        if begun.socket is not None:
            self._loop.add_reader(begun.socket, self._arrived)
            self._begun = jobs, begun, self._loop.call_later(PATIENCE_SECONDS, self._pass_on)
        elif begun.blocks:
            self._passed += len(jobs)
            self._handed.put(_Passed(jobs, begun))
        else:
            self._finish_here(jobs, begun)

    def _arrived(self) -> None:
        assert self._begun is not None  # noqa: S101  the socket is watched
        complete = self._begun[1].complete()
        if complete is False:  # the rest will come, or the timer passes the batch on
            return
        if complete is None:
            self._pass_on()
            return
        jobs, begun = self._waited_for()
        self._finish_here(jobs, begun)
        if self._arriving:
            self._hand_over()

    def _pass_on(self) -> None:
        """Let the thread wait for features that have not arrived."""
        jobs, begun = self._waited_for()
        self._passed += len(jobs)
        self._handed.put(_Passed(jobs, begun))
        if self._arriving:
            self._hand_over()

    def _waited_for(self) -> tuple[Jobs, Work]:
        assert self._loop is not None  # noqa: S101  it was started
        assert self._begun is not None  # noqa: S101  the callers' condition
        (jobs, begun, timer), self._begun = self._begun, None
        assert begun.socket is not None  # noqa: S101  it is waited for
        self._loop.remove_reader(begun.socket)
        timer.cancel()
        return jobs, begun

    def _finish_here(self, jobs: Jobs, begun: Work) -> None:
        began = self._clock()
        responses = self._scoring.finish(begun)
        self._turn.release()
        self._held_up(began)
        _deliver(jobs, responses)

    def _held_up(self, began: float) -> None:
        """Leave scoring to the thread for a while if the loop has just been blocked."""
        if (now := self._clock()) - began > HELD_SECONDS:
            self._away_until = now + AWAY_SECONDS

    def _work(self) -> None:
        waiting: deque[Job] = deque()
        self._look_after()
        while not self._ended:
            self._collect(waiting)
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._most))]
            if batch:
                self._answer(batch)
            elif not self._ended:
                self._look_after()

    def _look_after(self) -> None:
        if self._turn.acquire(blocking=False):  # otherwise the event loop is scoring
            self._scoring.idle()
            self._turn.release()

    def _collect(self, waiting: deque[Job]) -> None:
        """Add the requests that were handed over; if there are none, wait up to IDLE_SECONDS for some."""
        with suppress(Empty):
            while len(waiting) < self._most and not self._ended:
                handed = self._handed.get(block=not waiting, timeout=IDLE_SECONDS)
                if handed is None:
                    self._ended = True
                elif isinstance(handed, _Passed):
                    responses = self._scoring.finish(handed.begun)
                    self._turn.release()
                    self._return(len(handed.jobs), handed.jobs, responses)
                else:
                    waiting += handed

    def _answer(self, batch: Jobs) -> None:
        jobs, responses = [job for job in batch if not job.late], list[Response]()
        if jobs:
            with self._turn:
                responses = self._scoring.finish(self._scoring.begin(jobs))
        self._return(len(batch), jobs, responses)

    def _return(self, passed: int, jobs: Jobs, responses: Sequence[Response]) -> None:
        assert self._loop is not None  # noqa: S101  it was started
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            self._loop.call_soon_threadsafe(self._returned, passed, jobs, responses)

    def _returned(self, passed: int, jobs: Jobs, responses: Sequence[Response]) -> None:
        self._passed -= passed
        _deliver(jobs, responses)


def _deliver(jobs: Jobs, responses: Sequence[Response]) -> None:
    for job, response in zip(jobs, responses, strict=True):
        if not job.answered.done():
            job.answered.set_result(response)
