"""Requests that arrive while others are scored are scored together; each gets its own response."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from scorer.rest.desk import Desk, Job
from scorer.rest.exchange import Route
from scorer.rest.messages import Request, Response

ROUTE = Route("POST", "/score", "own", "to score")


class Scoring:
    """Scores when it is allowed to, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.entered, self.allowed, self.idle_calls = threading.Event(), threading.Event(), 0

    def score(self, jobs: Sequence[Job]) -> list[Response]:
        self.batches.append([job.request.body for job in jobs])
        self.entered.set()
        assert self.allowed.wait(60)
        return [Response(200, b"of " + job.request.body) for job in jobs]

    def idle(self) -> None:
        self.idle_calls += 1


def put(desk: Desk, body: bytes) -> Job:
    job = Job(Request("POST", "/score", body=body), ROUTE, asyncio.get_running_loop().create_future())
    desk.put(job)
    return job


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  it is set on another thread
            await asyncio.sleep(0.001)


def test_what_arrives_during_a_batch_is_the_next_one() -> None:
    scoring = Scoring()
    desk = Desk(scoring.score, scoring.idle, most=100)

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


def test_what_arrives_in_one_turn_of_the_loop_is_one_batch() -> None:
    scoring = Scoring()
    scoring.allowed.set()
    desk = Desk(scoring.score, scoring.idle, most=100)

    async def main() -> None:
        desk.start()
        jobs = [put(desk, b"%d" % number) for number in range(5)]
        await asyncio.gather(*(job.answered for job in jobs))

    asyncio.run(main())
    desk.stop(60)
    assert [len(batch) for batch in scoring.batches] == [5]


def test_a_batch_is_bounded_and_nothing_is_lost_at_the_end() -> None:
    scoring = Scoring()
    desk = Desk(scoring.score, scoring.idle, most=3)

    async def main() -> list[bytes]:
        desk.start()
        jobs = [put(desk, b"%d" % number) for number in range(8)]
        await until(scoring.entered.is_set)
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
    desk = Desk(scoring.score, scoring.idle, most=3)

    async def main() -> None:
        desk.start()
        await until(lambda: scoring.idle_calls > 0)

    asyncio.run(main())
    desk.stop(60)
    assert not desk._thread.is_alive()
