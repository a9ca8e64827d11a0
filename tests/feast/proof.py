"""What Feast answers for some rows, and what a replica looks up for events with the same keys."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import redis

from benchmarks.feast.environment import Feast
from scorer.avro import Decoder, Schema, Wanted, unframed
from scorer.batch import Found, Lookup, Records
from scorer.plan import Plan
from scorer.scoring import Features
from scorer.store import connect

FILE = Path(__file__).with_name("recording.json")
SCHEMA = {
    "type": "record",
    "name": "Flight",
    "fields": [
        {"name": "tailnum", "type": ["null", "string"], "default": None},
        {"name": "origin", "type": "string", "default": ""},
        {"name": "time", "type": {"type": "record", "name": "Time", "fields": [{"name": "hour", "type": "long"}]}},
        {"name": "terminal", "type": "int", "default": 0},
        {"name": "day", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "badge", "type": "bytes", "default": ""},
    ],
}
PLAN = """
entities:
  plane:
    layout: feast
    project: flights
    key: {tailnum: string}
    fields:
      - plane_stats:seats
      - plane_history:flights
      - plane_stats:engines
      - plane_stats:speed
      - plane_stats:weight
      - plane_history:delay
      - plane_stats:active
      - plane_stats:built
      - plane_stats:model
      - plane_stats:code
      - plane_stats:tags
      - plane_stats:photo
  weather:
    layout: feast
    project: flights
    key: {origin: string, hour: {type: int64, event: time.hour}}
    fields: [weather:temp, weather:wind]
  terminal: {layout: feast, project: flights, key: {terminal: int32}, fields: [terminals:gates]}
  day: {layout: feast, project: flights, key: {día: {type: unix_timestamp, event: day}}, fields: [days:rain]}
  badge: {layout: feast, project: flights, key: {badge: bytes}, fields: [badges:uses]}
columns:
  - {name: seats, entity: plane, field: plane_stats:seats}
"""
ENTITIES = Plan.parse(PLAN, "plan.yaml").entities
DAY = 1_767_225_600  # 2026-01-01, in Unix seconds
# By entity, the rows that Feast is asked for; bytes are text here, as in JSON.
ROWS: dict[str, list[dict[str, Any]]] = {
    "plane": [{"tailnum": name} for name in (*(f"N{at}" for at in range(21)), "", "é", "a, b", "back\\slash", "n1")],
    "weather": [
        {"origin": origin, "hour": hour} for origin in ("JFK", "LGA", "EWR") for hour in (-1, 0, 17, 1 << 40, 3)
    ],
    "terminal": [{"terminal": number} for number in (-5, 0, 3, (1 << 31) - 1, 4)],
    "day": [{"día": DAY + day * 86_400} for day in (-30_000, 0, 3, 4)],
    "badge": [{"badge": badge} for badge in ("\x00\xff", "plain", "none")],
}


@dataclass(frozen=True)
class Recording:
    """What Feast wrote, and what it answers.

    hashes:  by key, each field with its value, all as hexadecimal.
    answers: by entity and feature, the value for each of ROWS.
    """

    hashes: dict[str, dict[str, str]]
    answers: dict[str, dict[str, list[Any]]]

    @classmethod
    def load(cls) -> "Recording":
        """The one that is kept."""
        return cls(**json.loads(FILE.read_text()))

    def save(self) -> None:
        """Keep this one."""
        FILE.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    def restore(self, url: str) -> None:
        """Write the hashes into a Redis."""
        with redis.Redis.from_url(url) as client:
            for key, fields in self.hashes.items():
                mapping = {bytes.fromhex(name): bytes.fromhex(value) for name, value in fields.items()}
                client.hset(bytes.fromhex(key), mapping=mapping)


def materialize(feast: Feast, url: str) -> Recording:
    """Have Feast write the projects of the proof into an empty Redis, and ask it for ROWS."""
    with redis.Redis.from_url(url) as client:
        address = "{host}:{port}".format_map(client.get_connection_kwargs())
        for project in ("flights", "payments"):
            feast("materialize", project=project, redis=address)
        hashes = {
            key.hex(): {name.hex(): value.hex() for name, value in sorted(client.hgetall(key).items())}
            for key in sorted(client.keys())
        }
    answers = {
        entity.name: feast("read", project="flights", features=entity.fields, rows=ROWS[entity.name])
        for entity in ENTITIES
    }
    return Recording(hashes, answers)


def looked_up(url: str, entity: str) -> Found:
    """What a replica looks up for events with the keys of ROWS."""
    plan = Plan("plan.yaml", tuple(each for each in ENTITIES if each.name == entity), ())
    schema = Schema.parse(json.dumps(SCHEMA), "flight.avsc")
    decoder = Decoder(Wanted(schema, plan.fields, plan.texts), unframed(schema), 10_000)
    events = decoder.decode(Records.of([body(row) for row in ROWS[entity]]))
    assert not events.rejected
    with closing(connect(url, 10_000)) as store:
        features = Features(plan, schema.fields, store.fetch, "impute", "wait")
        (found,) = features.look_up(features.keys(events), events, 0.0)
    return found


def body(row: Mapping[str, Any]) -> bytes:
    """An event with the keys of a row."""
    event = {"time": {"hour": row.get("hour", 0)}} | {name: value for name, value in row.items() if name != "hour"}
    event["badge"] = row.get("badge", "").encode("latin-1")
    if "día" in row:
        event["day"] = event.pop("día") * 1_000
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), event)
    return out.getvalue()


def number(value: Any) -> float | None:
    """The number of a value of Feast, as a column of a model takes it; None if it is absent."""
    if isinstance(value, list) or value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def assert_equal(found: Found, answers: Mapping[str, Sequence[Any]]) -> None:
    """Check that a look-up has what Feast answers, to the bit."""
    (fields,) = [entity.fields for entity in ENTITIES if entity.name == found.entity]
    numbers = [[number(value) for value in answers[field]] for field in fields]
    expected = np.array(numbers, np.float64).T
    np.testing.assert_array_equal(
        found.absent[found.slots], [[value is None for value in row] for row in zip(*numbers, strict=True)]
    )
    np.testing.assert_array_equal(
        found.values[found.slots].view(np.int64), np.where(np.isnan(expected), np.nan, expected).view(np.int64)
    )
    nothing = [all(value is None for value in row) for row in zip(*answers.values(), strict=True)]
    states = [Lookup.MISSING if missing else Lookup.HIT for missing in nothing]
    assert found.results[found.slots].tolist() == states
