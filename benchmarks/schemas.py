"""What schemas that change cost: microseconds of decoding an event by 1, 2 and 8 interleaved schemas of writers.

The writers have the same fields in other orders, so that their events have the same bytes in another order. All numbers
of schemas take turns, and the least of many times counts: what else the machine does only adds.
"""

import io
import json
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import fastavro
from rich import box
from rich.console import Console
from rich.table import Table

from scorer.avro import Confluent, Decoder, Framing, Schema, unframed
from scorer.batch import Events, Records
from scorer.registered import Registered

ROWS = (500, 2_000)
WRITERS = (1, 2, 8)
SECONDS = 3.0  # of all that take turns
LEAST = 7  # times of each at least
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "distance", "type": "int"},
    {"name": "carrier", "type": {"type": "enum", "name": "Carrier", "symbols": ["AA", "B6", "DL", "UA"]}},
    {"name": "origin", "type": "string"},
    {"name": "wind", "type": ["null", "double"], "default": None},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "seats", "type": "int", "default": 0},
]
EVENT = {"at": 1_700_000_000_000, "carrier": "DL", "origin": "JFK", "wind": 1.5, "note": "no comment", "seats": 150}


class Known:
    """A registry of the writers' schemas, by the number of places by which their fields are turned."""

    def by_id(self, number: int) -> Registered:
        """Return the schema of a writer."""
        return Registered(json.dumps(turned(number)), number)

    def by_guid(self, guid: str) -> None:
        """Return nothing: no value names a GUID."""


def turned(places: int) -> dict[str, Any]:
    """Return a schema whose fields are turned by some places."""
    return {"type": "record", "name": "Flight", "fields": FIELDS[places:] + FIELDS[:places]}


def decoding(rows: int, writers: int) -> Callable[[], Events]:
    """Return what decodes a batch of so many writers' events, once; of none: without a registry."""
    reader = Schema.parse(json.dumps(turned(0)), "flight.avsc")
    framing: Framing = Confluent(reader, Known()) if writers else unframed(reader)
    decoder = Decoder(reader, ["distance", "carrier", "wind", "seats"], ["origin"], framing, 1_000, "id", "at")
    values = []
    for number in range(rows):
        writer, out = number % max(1, writers), io.BytesIO()
        event = EVENT | {"id": f"flight-{number}", "distance": number % 3_000}
        fastavro.schemaless_writer(out, fastavro.parse_schema(turned(writer)), event)
        values.append((b"\x00" + writer.to_bytes(4, "big") if writers else b"") + out.getvalue())
    return partial(decoder.decode, Records.of(values))


def measure(rows: int) -> list[float]:
    """Return the microseconds an event without a registry, and by each of WRITERS."""
    calls = [decoding(rows, writers) for writers in (0, *WRITERS)]
    times: list[list[float]] = [[] for _ in calls]
    until = perf_counter() + SECONDS
    while perf_counter() < until or len(times[0]) < LEAST:
        for call, taken in zip(calls, times, strict=True):
            began = perf_counter()
            call()
            taken.append(perf_counter() - began)
    return [min(taken) / rows * 1e6 for taken in times]


def run(console: Console) -> int:
    """Print a table, and return 0."""
    table = Table(box=box.MARKDOWN)
    for title in ("us an event", "none", *(f"{writers} id{'s' * (writers > 1)}" for writers in WRITERS)):
        table.add_column(title, justify="right", no_wrap=True)
    for rows in ROWS:
        console.print(f"batches of {rows:,}", style="dim")
        table.add_row(f"{rows:,} a batch", *(f"{each:.3f}" for each in measure(rows)))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return 0
