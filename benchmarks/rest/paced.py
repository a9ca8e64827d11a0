"""Asks at a given rate, whether answers have come or not, and times each answer."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from benchmarks.process import Process
from benchmarks.rest.load import Connection, Exchange

SECONDS, ROUNDS = 4.0, 3  # of each server at each number of connections


class Turn(NamedTuple):
    """A request, and when it is due, by `perf_counter`."""

    due: float
    exchange: Exchange


async def paced(port: int, connections: int, exchanges: Sequence[Exchange], rate: float) -> list[float]:
    """Return the seconds that each request took, ascending.

    Requests are due at random times, as those of people who know nothing of each other (a Poisson process). One that
    finds all connections busy is sent late, and its wait counts. The lateness of the timer here, up to a millisecond,
    does not count: it is no fault of the server.

    Args:
        port: of the server.
        connections: that requests are sent over.
        exchanges: the requests, in turn.
        rate: requests in a second, on average.

    Raises:
        Fatal: an answer is wrong.
    """
    gaps = np.random.default_rng(0).exponential(1 / rate, max(1, round(SECONDS * rate))).tolist()
    latencies = list[float]()
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(Connection(port)) for _ in range(connections)]
        start = time.perf_counter()
        turns = (Turn(start + due, exchanges[at % len(exchanges)]) for at, due in enumerate(accumulate(gaps)))
        await asyncio.gather(*(_client(each, turns, latencies) for each in opened))
    return sorted(latencies)


async def _client(connection: Connection, turns: Iterator[Turn], latencies: list[float]) -> None:
    for turn in turns:
        began = turn.due
        if (early := turn.due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
            began = time.perf_counter()
        answer = await connection.ask(turn.exchange)
        latencies.append(time.perf_counter() - began)
        turn.exchange.confirm(answer)


def rounds(
    servers: Mapping[str, tuple[Process, int]],
    connections: int,
    exchanges: Mapping[str, Sequence[Exchange]],
    rate: float,
) -> list[list[float]]:
    """Return of each server the latencies of the round with the least p99; the servers take turns."""
    found: dict[str, list[list[float]]] = {each: [] for each in servers}
    for _, (each, (_, port)) in ((at, server) for at in range(ROUNDS) for server in servers.items()):
        found[each].append(asyncio.run(paced(port, connections, exchanges[each], rate)))
    return [min(each, key=lambda one: share(one, 0.99)) for each in found.values()]


def share(latencies: Sequence[float], part: float) -> float:
    """Return a quantile of ascending latencies."""
    return latencies[int(part * len(latencies))]


def headings(servers: Mapping[str, object]) -> Iterator[str]:
    """Yield the headings of `cells`."""
    yield "requests/s"
    for measure in ("p50 ms", "p99 ms"):
        yield from (f"{each}, {measure}" for each in servers)
    yield "p99 ratio"


def cells(rate: float, latencies: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield the measures of the servers, and how many times the p99 of the second one that of the first is."""
    yield f"{rate:,.0f}"
    for part in (0.5, 0.99):
        yield from (f"{1000 * share(each, part):.1f}" for each in latencies)
    yield f"{share(latencies[0], 0.99) / share(latencies[1], 0.99):.1f}"
