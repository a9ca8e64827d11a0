"""Batches made of plain rows, and a store in memory: what the tests of plan, keys and matrix share."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scorer.batch import Column, Events, Field, Found, Kind, Lookup, Matrix, Reason, Records, Rejected
from scorer.plan import Plan
from scorer.scoring import Features
from scorer.store import Cache, Lookups, Reply, Request, Store
from tests.store.reachable import Reachable

Row = Mapping[str, object]  # a value by path; None, or nothing, is null

FIELDS = {
    field.path: field
    for field in (
        Field("tailnum", Kind.TEXT, nullable=True),
        Field("origin", Kind.TEXT),
        Field("card.number", Kind.INTEGER, nullable=True),
        Field("paid", Kind.BOOLEAN),
        Field("class", Kind.ENUM, symbols=("economy", "first")),
        Field("distance", Kind.FLOAT, nullable=True),
        Field("fare", Kind.DECIMAL),
        Field("day", Kind.DATE),
        Field("gate_closes", Kind.TIME, ticks=1_000),
        Field("departure", Kind.TIMESTAMP, nullable=True, ticks=1_000),
        Field("seen", Kind.TIMESTAMP, ticks=1_000_000),
        Field("measured", Kind.TIMESTAMP, ticks=1_000_000_000),
        Field("photo", Kind.BYTES),
    )
}
GARBAGE = 1 << 62
GARBAGE_TEXT = b"garbage"


def text_of(field: Field, value: object) -> bytes:
    """A value as the decoder writes it where its text is asked for."""
    return (str(value).lower() if field.kind is Kind.BOOLEAN else str(value)).encode()


def events(rows: Sequence[Row | None], fields: Mapping[str, Field] | None = None) -> Events:
    """A batch; None is a row that was rejected, whose columns hold garbage."""
    fields = FIELDS if fields is None else fields
    data = bytearray(GARBAGE_TEXT)
    columns = {path: _column(field, rows, data) for path, field in fields.items()}
    none = np.zeros(len(rows), np.int64)
    rejected = [Rejected(row, Reason.TRUNCATED, "ends early") for row, values in enumerate(rows) if values is None]
    origin = Records.of([b""] * len(rows)).origin
    return Events(len(rows), columns, np.frombuffer(bytes(data), np.uint8), none, none, none, origin, rejected)


def _column(field: Field, rows: Sequence[Row | None], data: bytearray) -> Column:
    null = np.zeros(len(rows), np.bool_)
    starts, ends = np.zeros(len(rows), np.int64), np.full(len(rows), len(GARBAGE_TEXT))
    values: list[object] = [GARBAGE] * len(rows)
    for row, of_row in enumerate(rows):
        value = None if of_row is None else of_row.get(field.path)
        null[row] = value is None and of_row is not None
        if value is None:
            continue
        starts[row] = len(data)
        data += text_of(field, value)
        ends[row] = len(data)
        data += b"|"
        values[row] = field.symbols.index(str(value)) if field.kind is Kind.ENUM else value
    if field.kind in {Kind.TEXT, Kind.BYTES}:
        return Column(field, null, np.empty(0, np.int64), starts, ends)
    if field.kind in {Kind.FLOAT, Kind.DECIMAL}:
        return Column(field, null, np.array(values, np.float64), starts, ends)
    return Column(field, null, np.array(values, np.int64), starts, ends)


class Asking:
    """Features that are looked up in a store by policy, at times that a test sets; Unix time is that of `clock`."""

    def __init__(  # noqa: PLR0913, PLR0917  a test sets any of them
        self,
        plan: Plan,
        store: Store | None,
        when_missing: str = "impute",
        when_unavailable: str = "wait",
        clock: Callable[[], float] = lambda: 1e9,
        monotonic: Callable[[], float] = lambda: 0.0,
        cache: Cache | None = None,
    ) -> None:
        self._clock = clock
        self.lookups = None if store is None else Lookups(store, when_unavailable, cache, monotonic)
        fetch = self.lookups.fetch if self.lookups else None
        self.features = Features(plan, FIELDS, fetch, when_missing, when_unavailable)

    def look_up(self, batch: Events) -> tuple[Found, ...]:
        return self.features.look_up(self.features.keys(batch), batch, self._clock())

    def assemble(self, batch: Events) -> Matrix:
        return self.features.assemble(batch, self.look_up(batch))

    def ping_if_idle(self) -> str | None:
        assert self.lookups
        return self.lookups.ping_if_idle()


class Table(Reachable):
    """A store of Python values: by entity and key, its features by name (one left out is absent), or a Lookup."""

    def __init__(self, entities: Mapping[str, Mapping[bytes, Mapping[str, float] | Lookup]]) -> None:
        self.entities = entities
        self.asked: list[dict[str, list[bytes]]] = []
        self.times: list[float] = []

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        self.asked.append({request.entity.name: list(request.keys) for request in requests})
        self.times.append(now)
        self.ping()
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        shape = len(request.keys), len(request.entity.fields)
        reply = Reply(np.full(shape, np.nan), np.ones(shape, np.bool_), np.zeros(len(request.keys), np.uint8))
        for line, key in enumerate(request.keys):
            there = self.entities[request.entity.name].get(key, Lookup.MISSING)
            if isinstance(there, Lookup):
                reply.results[line] = there
                continue
            for number, field in enumerate(request.entity.fields):
                if field in there:
                    reply.values[line, number], reply.absent[line, number] = there[field], False
        return reply
