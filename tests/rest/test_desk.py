"""Requests that arrive while others are scored are scored together; each gets its own response."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from scorer.rest import desk as desks
from scorer.rest.desk import Desk, Job
from scorer.rest.exchange import Route
from scorer.rest.messages import Request, Response

ROUTE = Route("POST", "/score", "own", "to score")


@dataclass
class Batch:
    jobs: Sequence[Job]
    socket: int | None
    blocks: bool
    complete_: bool | None = True

    def complete(self) -> bool | None:
        return self.complete_


class Scoring:
    """Scores when it is allowed to, and remembers the batches, and the thread that finished each."""

    def __init__(
        self, features: socket.socket | None = None, *, blocks: bool = True, complete: bool | None = True
    ) -> None:
        self.batches: list[list[bytes]] = []
        self.threads: list[str] = []
        self.entered, self.allowed, self.idle_calls = threading.Event(), threading.Event(), 0
        self._features, self._blocks, self._complete = features, blocks, complete

    def begin(self, jobs: Sequence[Job]) -> Batch:
        return Batch(jobs, None if self._features is None else self._features.fileno(), self._blocks, self._complete)

    def finish(self, begun: Batch) -> list[Response]:
        self.batches.append([job.request.body for job in begun.jobs])
        self.threads.append(threading.current_thread().name)
        self.entered.set()
        if threading.current_thread() is not threading.main_thread():  # the event loop must never wait: see `threads`
            assert self.allowed.wait(60)
        with suppress(BlockingIOError):
            if self._features is not None:
                self._features.recv(1)
        return [Response(200, b"of " + job.request.body) for job in begun.jobs]

    def idle(self) -> None:
        self.idle_calls += 1


@pytest.fixture
def features() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection to a store."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003  the socket's own signature
    with ours, theirs:
        yield ours, theirs


def put(desk: Desk[Batch], body: bytes, size: int = 0) -> Job:
    job = Job(Request("POST", "/score", body=body), ROUTE, asyncio.get_running_loop().create_future(), bytes=size)
    desk.put(job)
    return job


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  it is set on another thread
            await asyncio.sleep(0.001)


async def started(desk: Desk[Batch], scoring: Scoring) -> None:
    """Start a desk, and wait until its thread has nothing to do."""
    desk.start()
    await until(lambda: scoring.idle_calls > 0 and not desk._turn.locked())


def test_what_arrives_during_a_batch_is_the_next_one() -> None:
    scoring = Scoring()
    desk = Desk(scoring, most=100)

    async def main() -> list[bytes]:
        desk.start()
        first = put(desk, b"1")
        await until(scoring.entered.is_set)
        others = [put(desk, b"%d" % number) for number in range(2, 8)]
        await asyncio.sleep(0.01)
        later = [put(desk, b"%d" % number) for number in range(8, 10)]
        late = put(desk, b"late")
        late.late = True
        await asyncio.sleep(0.01)  # each turn of the loop hands over what arrived in it
        scoring.allowed.set()
        return [(await job.answered).body for job in [first, *others, *later]]

    answers = asyncio.run(main())
    desk.stop(60)
    assert answers == [b"of %d" % number for number in range(1, 10)]
    assert scoring.batches == [[b"1"], [b"%d" % number for number in range(2, 10)]]


@pytest.mark.parametrize("blocks", [True, False])
def test_what_arrives_in_one_turn_of_the_loop_is_one_batch(*, blocks: bool) -> None:
    scoring = Scoring(blocks=blocks)
    scoring.allowed.set()
    desk = Desk(scoring, most=100)

    async def main() -> None:
        await started(desk, scoring)
        jobs = [put(desk, b"%d" % number) for number in range(5)]
        await asyncio.gather(*(job.answered for job in jobs))

    asyncio.run(main())
    desk.stop(60)
    assert [len(batch) for batch in scoring.batches] == [5]
    assert scoring.threads == ["scoring" if blocks else "MainThread"]


def test_a_batch_is_bounded_and_nothing_is_lost_at_the_end() -> None:
    scoring = Scoring()
    desk = Desk(scoring, most=3)

    async def main() -> list[bytes]:
        desk.start()
        first = put(desk, b"0")
        await until(scoring.entered.is_set)
        jobs = [first, *(put(desk, b"%d" % number) for number in range(1, 8))]
        await asyncio.sleep(0.01)  # they are handed over
        stopping = asyncio.get_running_loop().run_in_executor(None, desk.stop, 60)
        scoring.allowed.set()
        await stopping
        await asyncio.sleep(0)
        assert all(job.answered.done() for job in jobs)
        return [(await job.answered).body for job in jobs]

    assert asyncio.run(main()) == [b"of %d" % number for number in range(8)]
    assert max(map(len, scoring.batches)) == 3
    assert [body for batch in scoring.batches for body in batch] == [b"%d" % number for number in range(8)]


def test_an_idle_thread_looks_after_the_rest_at_once() -> None:
    scoring = Scoring()
    desk = Desk(scoring, most=3)

    async def main() -> None:
        desk.start()
        await until(lambda: scoring.idle_calls > 0)

    asyncio.run(main())
    desk.stop(60)
    assert not desk._thread.is_alive()


def test_the_loop_is_free_until_the_features_arrive(
    features: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives meanwhile is the next batch, and the thread does not look after the store."""
    monkeypatch.setattr(desks, "PATIENCE_SECONDS", 60)
    ours, theirs = features
    scoring = Scoring(ours)
    scoring.allowed.set()
    desk = Desk(scoring, most=100)

    async def main() -> None:
        await started(desk, scoring)
        first = put(desk, b"1")
        await until(desk._turn.locked)
        others = [put(desk, b"%d" % number) for number in range(2, 5)]
        await asyncio.sleep(0.01)
        calls = scoring.idle_calls
        desk._look_after()
        assert (scoring.batches, scoring.idle_calls) == ([], calls)
        theirs.send(b"1")
        assert (await first.answered).body == b"of 1"
        await until(desk._turn.locked)
        assert not any(job.answered.done() for job in others)
        theirs.send(b"1")
        await asyncio.gather(*(job.answered for job in others))
        assert not desk._turn.locked()

    asyncio.run(main())
    desk.stop(60)
    assert scoring.batches == [[b"1"], [b"2", b"3", b"4"]]
    assert scoring.threads == ["MainThread", "MainThread"]


def test_the_thread_waits_for_features_that_do_not_arrive(features: tuple[socket.socket, socket.socket]) -> None:
    """The loop is free, and what arrives meanwhile is the next batch, which is the thread's as well."""
    scoring = Scoring(features[0])
    desk = Desk(scoring, most=100)

    async def main() -> None:
        await started(desk, scoring)
        first = put(desk, b"1")
        await until(scoring.entered.is_set)
        others = [put(desk, b"2"), put(desk, b"3")]
        await asyncio.sleep(0.01)
        scoring.allowed.set()
        assert [(await job.answered).body for job in [first, *others]] == [b"of 1", b"of 2", b"of 3"]
        await until(lambda: not desk._turn.locked())

    asyncio.run(main())
    desk.stop(60)
    assert scoring.batches == [[b"1"], [b"2", b"3"]]
    assert scoring.threads == ["scoring", "scoring"]


@pytest.mark.parametrize(("complete", "patience"), [(False, 0.05), (None, 600.0)], ids=["stalled", "broken"])
def test_the_thread_waits_for_the_rest_of_a_reply(
    features: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    complete: bool | None,  # noqa: FBT001  a case
    patience: float,
) -> None:
    """A server that stalls in the middle of a reply does not hold the loop up."""
    monkeypatch.setattr(desks, "PATIENCE_SECONDS", patience)
    ours, theirs = features
    scoring = Scoring(ours, complete=complete)
    scoring.allowed.set()
    desk = Desk(scoring, most=100)

    async def main() -> None:
        await started(desk, scoring)
        first = put(desk, b"1")
        await until(desk._turn.locked)
        theirs.send(b"1")
        assert (await first.answered).body == b"of 1"
        await until(lambda: not desk._turn.locked())

    asyncio.run(main())
    desk.stop(60)
    assert scoring.threads == ["scoring"]


def test_the_event_loop_waits_for_a_reply_in_two_parts(
    features: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "PATIENCE_SECONDS", 600)
    ours, theirs = features
    scoring = Scoring(ours, complete=False)
    scoring.allowed.set()
    desk = Desk(scoring, most=100)

    async def main() -> None:
        await started(desk, scoring)
        first = put(desk, b"1")
        await until(desk._turn.locked)
        begun = desk._begun
        assert begun is not None
        theirs.send(b"1")
        await asyncio.sleep(0)
        begun[1].complete_ = True
        theirs.send(b"2")
        assert (await first.answered).body == b"of 1"

    asyncio.run(main())
    desk.stop(60)
    assert scoring.threads == ["MainThread"]


def test_a_large_batch_and_those_after_a_slow_one_are_the_threads() -> None:
    scoring, now = Scoring(blocks=False), [0.0]
    scoring.allowed.set()

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    desk = Desk(scoring, most=100, clock=clock)

    async def main() -> None:
        await started(desk, scoring)
        await put(desk, b"small").answered
        await put(desk, b"large", desks.SMALL_BYTES + 1).answered
        many = [put(desk, b"one of many") for _ in range(desks.SMALL_REQUESTS + 1)]
        await asyncio.gather(*(job.answered for job in many))
        desk._held_up(now[0] - desks.HELD_SECONDS)
        await put(desk, b"after a slow one").answered
        now[0] += desks.AWAY_SECONDS
        await put(desk, b"later").answered

    asyncio.run(main())
    desk.stop(60)
    assert scoring.threads == ["MainThread", "scoring", "scoring", "scoring", "MainThread"]
