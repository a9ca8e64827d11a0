"""What schemas that change cost: CPU microseconds of an event by 1, 2 and 8 interleaved schemas of writers.

Measured twice: decoding alone, and the whole score path of a flight: decoding, features from Redis, the model, and
encoding the prediction. The writers have the same fields in other orders, so that their events have the same bytes in
another order. All numbers of schemas take turns, and the least of many times is shown: what else the machine does only
adds. The last column is the median of what 8 cost beside 1 in the same round.
"""

import io
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import fastavro
from rich.console import Console

from benchmarks import pages, peer, workload
from benchmarks.contract import Contract
from scorer.avro import Confluent, Decoder, Encoder, Framing, Schema, Wanted, unframed
from scorer.batch import Events, Payloads, Records
from scorer.registered import Registered
from scorer.sandbox import Redis
from scorer.serving.serving import Serving, prepare
from scorer.settings import load

ROWS = (500, 2_000)
WRITERS = (1, 2, 8)
SECONDS = 3.0  # of all that take turns in decoding
WHOLE_SECONDS = 30.0  # of all that take turns in scoring
NOW = 1_400_000_000.0  # when the flights are scored, seconds since the epoch
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
FLIGHT: dict[str, Any] = {"type": "record", "name": "Flight", "fields": FIELDS}
EVENT = {"at": 1_700_000_000_000, "carrier": "DL", "origin": "JFK", "wind": 1.5, "note": "no comment", "seats": 150}


class Known:
    """A registry of the writers' schemas, by the number of places by which their fields are turned."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    def by_id(self, number: int) -> Registered:
        """Return the schema of a writer."""
        return Registered(json.dumps(turned(self._schema, number)), number)

    def by_guid(self, guid: str) -> None:
        """Return nothing: no value names a GUID."""


def turned(schema: dict[str, Any], places: int) -> dict[str, Any]:
    """Return a schema whose fields are turned by some places."""
    fields = schema["fields"]
    return {**schema, "fields": fields[places:] + fields[:places]}


def written(schema: dict[str, Any], events: Sequence[Any], writers: int) -> Records:
    """Return events as so many writers in turn write them; by none: without framing."""
    values, parsed = [], [fastavro.parse_schema(turned(schema, number)) for number in range(max(1, writers))]
    for number, event in enumerate(events):
        writer, out = number % len(parsed), io.BytesIO()
        fastavro.schemaless_writer(out, parsed[writer], event)
        values.append((b"\x00" + writer.to_bytes(4, "big") if writers else b"") + out.getvalue())
    return Records.of(values)


def decoding(rows: int, writers: int) -> Callable[[], Events]:
    """Return what decodes a batch of so many writers' events, once; of none: without a registry."""
    reader = Schema.parse(json.dumps(FLIGHT), "flight.avsc")
    framing: Framing = Confluent(reader, Known(FLIGHT)) if writers else unframed(reader)
    wanted = Wanted(reader, ["distance", "carrier", "wind", "seats"], ["origin"], "id", "at")
    decoder = Decoder(wanted, framing, 1_000)
    events = [EVENT | {"id": f"flight-{number}", "distance": number % 3_000} for number in range(rows)]
    return partial(decoder.decode, written(FLIGHT, events, writers))


@contextmanager
def served() -> Iterator[tuple[Serving, workload.Workload]]:
    """Serve the model of the benchmarks' workload, with its features in a Redis."""
    flights = workload.prepare(lambda _: None)
    with tempfile.TemporaryDirectory() as name, Redis(Path(name) / "redis") as redis:
        flights.load_redis(redis.url)
        contract = Contract(
            bootstrap="unused:9092",
            redis=redis.address,
            input_topic="unused.events",
            output_topic="unused.scores",
            group="unused",
            workload_dir=flights.folder,
            state_dir=Path(name),
            layout="hash",
        )
        yield prepare(load(peer.configure(contract, features={"timeout_ms": 10_000}), environ={}).settings), flights


@contextmanager
def scoring(serving: Serving, flights: workload.Workload, rows: int, writers: int) -> Iterator[Callable[[], Payloads]]:
    """Give what takes a batch from its bytes to its predictions' bytes, once; see `decoding`."""
    schema = json.loads((flights.folder / "event.avsc").read_text())
    parsed = fastavro.parse_schema(schema)
    events = [fastavro.schemaless_reader(io.BytesIO(flights.event(n)[1]), parsed, None) for n in range(rows)]
    reader, records = serving.schema, written(schema, events, writers)
    decoder = serving.decoder(Confluent(reader, Known(schema)) if writers else None)
    lookups = serving.lookups(cached=False)
    assert lookups is not None  # noqa: S101  the workload has features
    scorer, encoder = serving.scorer(lookups.fetch), Encoder(b"")
    try:
        yield lambda: encoder.encode(scorer.score(decoder.decode(records), NOW).predictions)
    finally:
        lookups.close()


def measure(calls: Sequence[Callable[[], object]], rows: int, seconds: float) -> list[list[float]]:
    """Return the CPU microseconds an event of each call in each round, in which all take turns, now from either end."""
    times: list[list[float]] = [[] for _ in calls]
    turns = [*zip(calls, times, strict=True)]
    until = perf_counter() + seconds
    while perf_counter() < until or len(times[0]) < LEAST:
        for call, taken in turns:
            began = process_time()
            call()
            taken.append((process_time() - began) / rows * 1e6)
        turns.reverse()
    return times


def run(console: Console) -> int:
    """Print a table, and return 0."""
    of_writers = (f"{writers} id{'s' * (writers > 1)}" for writers in WRITERS)
    table = pages.table("CPU us an event", "none", *of_writers, "8 beside 1")
    for rows in ROWS:
        console.print(f"decoding batches of {rows:,}", style="dim")
        found = measure([decoding(rows, writers) for writers in (0, *WRITERS)], rows, SECONDS)
        table.add_row(f"decoding, {rows:,} a batch", *_cells(found))
    with served() as (serving, flights):
        for rows in ROWS:
            console.print(f"scoring batches of {rows:,}", style="dim")
            with ExitStack() as stack:
                whole = [stack.enter_context(scoring(serving, flights, rows, writers)) for writers in (0, *WRITERS)]
                table.add_row(f"scoring, {rows:,} a batch", *_cells(measure(whole, rows, WHOLE_SECONDS)))
    pages.output().print(table)
    return 0


def _cells(times: list[list[float]]) -> list[str]:
    """Return the least of each, and by how much the last costs more than the second in the same round (median)."""
    ratios = [last / one for one, last in zip(times[1], times[-1], strict=True)]
    return [*(f"{min(each):.3f}" for each in times), f"{statistics.median(ratios) - 1:+.1%}"]
