"""Asks a server over some connections, each as soon as it has its answer, and confirms every answer."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Self

from benchmarks.process import Process
from scorer.errors import Fatal
from scorer.sandbox.server import HOST

SECONDS, ROUNDS = 2.0, 3  # of each server at each number of connections
START_SECONDS = 120.0


class Exchange(NamedTuple):
    """A request, and what makes sure that an answer is the right one, or raises Fatal."""

    request: bytes
    confirm: Callable[[Any], None]


class Measured(NamedTuple):
    """One round of a server."""

    requests: int
    cpu_seconds: float
    latencies: list[float]  # seconds, ascending


def post(path: str, document: object) -> bytes:
    """Return a request."""
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def until_answered(process: Process, port: int, exchange: Exchange) -> None:
    """Wait until a server is up and gives the right answer.

    Raises:
        Fatal: it has ended, or does not come up.
    """
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            await _client(port, iter([exchange]), lambda: False, [])
        except (OSError, EOFError, Fatal) as error:
            process.check()
            if time.monotonic() > end:
                raise Fatal(f"no right answer at port {port} ({error}):\n{process.last_words()}") from None
            await asyncio.sleep(0.1)
        else:
            return


async def load(process: Process, port: int, connections: int, exchanges: Sequence[Exchange]) -> Measured:
    """Ask for some seconds, with each exchange in turn.

    Raises:
        Fatal: an answer is wrong.
    """
    latencies = list[float]()
    turns = (exchanges[number % len(exchanges)] for number in count())
    before, end = process.cpu_seconds(), time.perf_counter() + SECONDS
    clients = (_client(port, turns, lambda: time.perf_counter() < end, latencies) for _ in range(connections))
    await asyncio.gather(*clients)
    return Measured(len(latencies), process.cpu_seconds() - before, sorted(latencies))


class Connection:
    """A connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, exchange: Exchange) -> Any:  # noqa: ANN401  JSON
        """Return the document of the answer."""
        self._writer.write(exchange.request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return json.loads(await self._reader.readexactly(size))


async def _client(port: int, turns: Iterator[Exchange], more: Callable[[], bool], latencies: list[float]) -> None:
    """Ask at least once, and as long as there is more."""
    async with Connection(port) as connection:
        while True:
            exchange, began = next(turns), time.perf_counter()
            answer = await connection.ask(exchange)
            latencies.append(time.perf_counter() - began)
            exchange.confirm(answer)
            if not more():
                return


def rounds(
    servers: Mapping[str, tuple[Process, int]], connections: int, exchanges: Mapping[str, Sequence[Exchange]]
) -> list[Measured]:
    """Return of each server the round with the least CPU for a request; the servers take turns."""
    found: dict[str, list[Measured]] = {each: [] for each in servers}
    for _ in range(ROUNDS):
        for each, (process, port) in servers.items():
            asyncio.run(until_answered(process, port, exchanges[each][0]))
            found[each].append(asyncio.run(load(process, port, connections, exchanges[each])))
    return [min(each, key=lambda one: one.cpu_seconds / one.requests) for each in found.values()]


def headings(servers: Mapping[str, object]) -> Iterator[str]:
    """Yield the headings of `cells`."""
    for measure in ("us of CPU", "requests/s", "p50 ms", "p99 ms"):
        yield from (f"{each}, {measure}" for each in servers)
    yield "CPU ratio"


def cells(best: Sequence[Measured]) -> Iterator[str]:
    """Yield the measures of the servers, and by how much more CPU the first one takes than the second."""
    costs = [1e6 * each.cpu_seconds / each.requests for each in best]
    yield from (f"{cost:,.0f}" for cost in costs)
    yield from (f"{each.requests / SECONDS:,.0f}" for each in best)
    for share in (0.5, 0.99):
        yield from (f"{1000 * each.latencies[int(share * len(each.latencies))]:.1f}" for each in best)
    yield f"{costs[0] / costs[1]:.1f}"
