"""Features that Feast materialised: the replica's look-up beside Feast's own `get_online_features`, on the same keys.

Both look up the same keys in the same Redis, in turns, each in one thread of a process of its own. CPU is the user and
system time of that process, and the least of many times counts: what else the machine does only adds.
"""

import io
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from rich.console import Console

from benchmarks import pages
from benchmarks.feast.environment import Feast
from scorer.avro import Decoder, Schema, Wanted, unframed
from scorer.batch import Found, Records
from scorer.errors import Fatal
from scorer.plan import Plan
from scorer.sandbox import Redis
from scorer.scoring import Features
from scorer.store import Store, connect

ROWS = (1, 10, 100, 500, 2_000)
SECONDS = 4.0  # of each row of the table
LEAST = 7  # times of each at least
TIMEOUT_MS = 10_000
SCHEMA = """{"type": "record", "name": "Flight", "fields": [
    {"name": "tailnum", "type": "string"}, {"name": "origin", "type": "string"}, {"name": "hour", "type": "long"}]}"""
PLANE = ["plane_stats:seats", "plane_stats:speed", "plane_stats:weight", "plane_stats:active"]
HISTORY = ["plane_history:flights", "plane_history:delay"]
WEATHER = ["weather:temp", "weather:wind", "weather:visib"]
# By what is looked up: the features of each entity.
CASES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "1 view, 4 features": {"plane": PLANE},
    "2 views, 6 features": {"plane": PLANE + HISTORY},
    "3 views, a joint key, 9 features": {"plane": PLANE + HISTORY, "weather": WEATHER},
}
KEYS = {"plane": "{tailnum: string}", "weather": "{origin: string, hour: int64}"}


def plan(entities: Mapping[str, Sequence[str]]) -> Plan:
    """Return the plan of a case."""
    lines = ["entities:"]
    for name, features in entities.items():
        fields = ", ".join(features)
        lines.append(f"  {name}: {{layout: feast, project: many, key: {KEYS[name]}, fields: [{fields}]}}")
    lines.append("columns:")
    for name, features in entities.items():
        lines += [f"  - {{name: '{feature}', entity: {name}, field: '{feature}'}}" for feature in features]
    return Plan.parse("\n".join(lines), "plan.yaml")


def flights(rows: int) -> list[dict[str, Any]]:
    """Return events, each with keys of its own."""
    return [{"tailnum": f"N{at}", "origin": f"A{at % 50}", "hour": at // 50} for at in range(rows)]


class Replica:
    """What a replica does between decoding a batch and assembling its matrix: the keys, and one round trip."""

    def __init__(self, entities: Mapping[str, Sequence[str]], rows: int, store: Store) -> None:
        schema, of_case = Schema.parse(SCHEMA, "flight.avsc"), plan(entities)
        decoder = Decoder(Wanted(schema, of_case.fields, of_case.texts), unframed(schema), 1_000)
        values, written = [], fastavro.parse_schema(json.loads(SCHEMA))
        for event in flights(rows):
            out = io.BytesIO()
            fastavro.schemaless_writer(out, written, event)
            values.append(out.getvalue())
        self._events = decoder.decode(Records.of(values))
        self._features = Features(of_case, schema.fields, store.fetch, "impute", "wait")

    def look_up(self) -> tuple[Found, ...]:
        """Look up the features of all events."""
        return self._features.look_up(self._features.keys(self._events), self._events, 0.0)

    def measure(self) -> dict[str, float]:
        """Return the seconds that one look-up takes."""
        began, cpu = time.perf_counter(), time.process_time()
        self.look_up()
        return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def confirm(found: Sequence[Found], answer: Mapping[str, Sequence[float]], features: Sequence[str]) -> None:
    """Make sure that both looked up the same.

    Raises:
        Fatal: a value differs.
    """
    mine = np.concatenate([each.values[each.slots] for each in found], axis=1)
    theirs = np.array([answer[feature] for feature in features], np.float64).T
    if not np.array_equal(mine, theirs):
        raise Fatal("the replica and Feast looked up different values")


def turns(feast: Feast, replica: Replica, features: Sequence[str], rows: int) -> list[dict[str, float]]:
    """Return the least seconds of Feast and of the replica, which take turns."""
    request = {"project": "many", "features": features, "rows": flights(rows)}
    confirm(replica.look_up(), feast("read", **request), features)
    least = [{"cpu": np.inf, "wall": np.inf} for _ in range(2)]
    until, done = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < until or done < LEAST:
        for held, taken in zip(least, (feast("measure", **request), replica.measure()), strict=True):
            held |= {name: min(held[name], seconds) for name, seconds in taken.items()}
        done += 1
    return least


def run(console: Console) -> int:
    """Print a table, and return 0."""
    titles = "rows", "Feast, CPU", "scorer, CPU", "ratio", "Feast, wall", "scorer, wall", "ratio"
    table = pages.table("us a row", *titles)
    console.print("Feast, in an environment of its own: the first time installs 450 MB", style="dim")
    with (
        tempfile.TemporaryDirectory() as folder,
        Redis(Path(folder) / "redis") as server,
        Feast() as feast,
        closing(connect(server.url, TIMEOUT_MS)) as store,
    ):
        feast("materialize", project="many", redis=server.address)
        for case, entities in CASES.items():
            features = [feature for of_entity in entities.values() for feature in of_entity]
            for rows in ROWS:
                console.print(f"{case}, {rows:,} rows", style="dim")
                theirs, mine = turns(feast, Replica(entities, rows, store), features, rows)
                cells = [
                    cell
                    for what in ("cpu", "wall")
                    for cell in (
                        f"{theirs[what] / rows * 1e6:.2f}",
                        f"{mine[what] / rows * 1e6:.2f}",
                        f"{theirs[what] / mine[what]:.1f}",
                    )
                ]
                table.add_row(case, f"{rows:,}", *cells)
    pages.output().print(table)
    return 0
