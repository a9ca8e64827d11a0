"""One answer now: `scorer serve` beside a server that one would write with FastAPI, both with features from Redis.

And beside MLServer, to which rows of columns are sent.

Both servers get the same events over the same number of connections, in turns, each with one process. Every answer is
compared with the score of the Python API. CPU is the user and system time of the server's process by request.
"""

import json
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import redis
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

import scorer
from benchmarks.feast.environment import home
from benchmarks.process import Process
from benchmarks.rest import columns, load, paced
from benchmarks.rest.load import Exchange, cells, headings, post, rounds
from scorer.errors import Fatal
from scorer.sandbox import Redis
from scorer.sandbox.server import free_port

ROOT = Path(__file__).parents[2]
LOCK, RIVAL = Path(__file__).with_name("requirements.lock"), Path(__file__).with_name("rival.py")
CONNECTIONS = (1, 16, 128)
PLANES = 500
TIMEOUT_MS = 10_000

Event = Mapping[str, Any]


def run(console: Console) -> int:
    """Measure the servers in two ways, and print both tables; return 0."""
    bundle = ROOT / "models/flight-delays/1"
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        store = stack.enter_context(Redis(folder / "redis"))
        config, asked = _prepare(folder, store.url)
        ports = free_port(), free_port()
        ours = [sys.executable, "-m", "scorer", "serve", "-c", str(config), "--set", f"serve.port={ports[0]}"]
        python = str(home("rest", LOCK) / "bin/python")
        theirs = [python, str(RIVAL), str(bundle), store.url, str(ports[1])]
        scorer_serve = stack.enter_context(Process(ours, {}, folder / "ours.log")), ports[0]
        with Process(theirs, {}, folder / "theirs.log") as process:
            _table(console, {"FastAPI": (process, ports[1]), "scorer": scorer_serve}, asked)
        with ExitStack() as rest:
            servers = {"MLServer": columns.start(folder, bundle, rest), "scorer": scorer_serve}
            _table(console, servers, columns.exchanges(bundle))
    return 0


def _table(console: Console, servers: Mapping[str, tuple[Process, int]], asked: Sequence[Exchange]) -> None:
    """Print what the servers do at full load, then at half of what the first one, the rival, has managed there."""
    full = Table("connections", *headings(servers), box=box.MARKDOWN)
    half = Table("connections", *paced.headings(servers), box=box.MARKDOWN)
    exchanges = dict.fromkeys(servers, asked)
    for connections in CONNECTIONS:
        console.print(f"{' and '.join(servers)}, {connections} connections")
        best = rounds(servers, connections, exchanges)
        full.add_row(str(connections), *cells(best))
        rate = best[0].requests / load.SECONDS / 2
        half.add_row(str(connections), *paced.cells(rate, paced.rounds(servers, connections, exchanges, rate)))
    for table in (full, half):
        Console(width=220, file=sys.stdout).print(table)


def confirm(answer: Mapping[str, Any], event: Event, score: float) -> None:
    """Make sure that an answer is that of its event, bit for bit.

    Raises:
        Fatal: it is not.
    """
    if (answer.get("event_id"), answer.get("score")) != (event["flight_id"], score):
        raise Fatal(f"the event {event['flight_id']} has the score {score}, and was answered with {answer}")


def _prepare(folder: Path, url: str) -> tuple[Path, list[Exchange]]:
    """Load features into Redis; return the configuration, and requests for the scores of events."""
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
    return config, [
        Exchange(post("/score", event), partial(confirm, event=event, score=score))
        for event, score in zip(events, scores, strict=True)
    ]


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
