"""One answer now: `scorer serve` beside a server that one would write with FastAPI, both with features from Redis.

Both servers get the same events over the same number of connections, in turns, each with one process. Every answer is
compared with the score of the Python API. CPU is the user and system time of the server's process by request.
"""

import asyncio
import json
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import redis
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

import scorer
from benchmarks.feast.environment import home
from benchmarks.process import Process
from scorer.errors import Fatal
from scorer.sandbox import Redis
from scorer.sandbox.server import HOST, free_port

ROOT = Path(__file__).parents[2]
LOCK, RIVAL = Path(__file__).with_name("requirements.lock"), Path(__file__).with_name("rival.py")
CONNECTIONS = (1, 16, 128)
SECONDS, ROUNDS = 2.0, 3  # of each server at each number of connections
PLANES = 500
START_SECONDS = 120.0
TIMEOUT_MS = 10_000

Event = Mapping[str, Any]


class Measured(NamedTuple):
    """One round of a server."""

    requests: int
    cpu_seconds: float
    latencies: list[float]  # seconds, ascending


def run(console: Console) -> int:
    """Measure both servers and print the table; return 0."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        store = stack.enter_context(Redis(folder / "redis"))
        config, events, scores = _prepare(folder, store.url)
        ports = free_port(), free_port()
        ours = [sys.executable, "-m", "scorer", "serve", "-c", str(config), "--set", f"serve.port={ports[0]}"]
        python = str(home("rest", LOCK) / "bin/python")
        theirs = [python, str(RIVAL), str(ROOT / "models/flight-delays/1"), store.url, str(ports[1])]
        servers = {
            "FastAPI": (stack.enter_context(Process(theirs, {}, folder / "theirs.log")), ports[1]),
            "scorer": (stack.enter_context(Process(ours, {}, folder / "ours.log")), ports[0]),
        }
        table = Table("connections", *_headings(servers), "CPU ratio", box=box.MARKDOWN)
        for connections in CONNECTIONS:
            console.print(f"{connections} connections")
            rounds: dict[str, list[Measured]] = {each: [] for each in servers}
            for _ in range(ROUNDS):
                for each, (process, port) in servers.items():
                    asyncio.run(_until_open(process, port))
                    rounds[each].append(asyncio.run(_load(process, port, connections, events, scores)))
            table.add_row(str(connections), *_cells(rounds))
    Console(width=220, file=sys.stdout).print(table)
    return 0


def confirm(answer: Mapping[str, Any], event: Event, score: float) -> None:
    """Make sure that an answer is that of its event, bit for bit.

    Raises:
        Fatal: it is not.
    """
    if (answer.get("event_id"), answer.get("score")) != (event["flight_id"], score):
        raise Fatal(f"the event {event['flight_id']} has the score {score}, and was answered with {answer}")


def _headings(servers: Mapping[str, object]) -> Iterator[str]:
    for measure in ("us of CPU", "requests/s", "p50 ms", "p99 ms"):
        yield from (f"{each}, {measure}" for each in servers)


def _cells(rounds: Mapping[str, Sequence[Measured]]) -> Iterator[str]:
    """Yield the cells of a row: of each server, the round with the least CPU."""
    best = [min(each, key=lambda one: one.cpu_seconds / one.requests) for each in rounds.values()]
    costs = [1e6 * each.cpu_seconds / each.requests for each in best]
    yield from (f"{cost:,.0f}" for cost in costs)
    yield from (f"{each.requests / SECONDS:,.0f}" for each in best)
    for share in (0.5, 0.99):
        yield from (f"{1000 * each.latencies[int(share * len(each.latencies))]:.1f}" for each in best)
    yield f"{costs[0] / costs[1]:.1f}"


def _prepare(folder: Path, url: str) -> tuple[Path, list[Event], list[float]]:
    """Load features into Redis; return the configuration, the events and their scores."""
    document = {
        "events": {"schema": str(ROOT / "schemas/flight.avsc"), "id": "flight_id", "time": "scheduled_departure"},
        "features": {"url": url, "timeout_ms": TIMEOUT_MS},
        "model": {"path": str(ROOT / "models/flight-delays")},
        "serve": {},
    }
    config = folder / "scorer.yaml"
    config.write_text(yaml.safe_dump(document))
    golden = [json.loads(line) for line in (ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()]
    events: list[Event] = []
    features: dict[str, dict[str, Any]] = {"plane": {}, "route": {}, "weather": {}}
    for number in range(PLANES):
        given = golden[number % len(golden)]
        event = given["event"] | {"flight_id": f"F{number}", "tailnum": f"N{number}", "dep_delay": number % 60}
        hour = event["scheduled_departure"][:13].translate({ord("-"): None, ord("T"): None})
        keys = {
            "plane": f"plane:{event['tailnum']}",
            "route": f"route:{event['origin']}:{event['dest']}",
            "weather": f"weather:{event['origin']}:{hour}",
        }
        for entity, values in given["features"].items():
            features[entity][keys[entity]] = values
        events.append(event)
    _store(url, features)
    with scorer.load(config) as model:
        scores = [each["score"] for each in model.score(events)]
    return config, events, scores


def _store(url: str, features: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Write hashes, and the weather as float32."""
    plan = yaml.safe_load((ROOT / "models/flight-delays/1/plan.yaml").read_text())
    with redis.Redis.from_url(url) as client:
        for entity, records in features.items():
            for key, values in records.items():
                if plan["entities"][entity]["layout"] == "hash":
                    client.hset(key, mapping={name: str(value) for name, value in values.items()})
                else:
                    numbers = [values.get(name, float("nan")) for name in plan["entities"][entity]["fields"]]
                    client.set(key, struct.pack(f"<{len(numbers)}f", *numbers))


async def _until_open(process: Process, port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            process.check()
            if time.monotonic() > end:
                raise Fatal(f"no server at port {port}:\n{process.last_words()}") from None
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


async def _load(
    process: Process, port: int, connections: int, events: Sequence[Event], scores: Sequence[float]
) -> Measured:
    """Ask over some connections, each as soon as it has its answer, and confirm every answer."""
    bodies = [json.dumps(event).encode() for event in events]
    asked: list[bytes] = [
        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
        for body in bodies
    ]
    numbers, latencies = count(), list[float]()
    before, end = process.cpu_seconds(), time.perf_counter() + SECONDS

    async def client() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while (began := time.perf_counter()) < end:
            number = next(numbers) % len(events)
            writer.write(asked[number])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            latencies.append(time.perf_counter() - began)
            confirm(json.loads(body), events[number], scores[number])
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return Measured(len(latencies), process.cpu_seconds() - before, sorted(latencies))
