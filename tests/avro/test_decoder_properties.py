"""The decoder against fastavro and against the strict reference, on random schemas."""

import io
import math
import struct
from fractions import Fraction
from typing import Any
from uuid import UUID

import fastavro
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import Decoder, Schema, Wanted, unframed
from scorer.batch import Column, Events, Kind, Reason
from tests.avro.batches import records
from tests.avro.reference import read
from tests.avro.schemas import Case, bare, cases, scalars

_TEXTS = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN}

_HOSTILE = [b"\x01", b"\x02", b"\x80", b"\xff" * 9 + b"\x01", b"\xff" * 10 + b"\x01", b"\x80" * 8 + b"\x40"]


def _decoder(schema: Schema, paths: list[str]) -> Decoder:
    texts = [path for path in paths if schema.fields[path].kind in _TEXTS]
    return Decoder(Wanted(schema, paths, texts), unframed(schema), 10**6)


def _expected(kind: Any, raw: Any) -> Any:
    """What a column holds for what a scalar holds."""
    declared = kind if isinstance(kind, dict) else {"type": kind}
    if declared.get("logicalType") == "decimal":
        return _bits(float(Fraction(int.from_bytes(raw, "big", signed=True), 10 ** declared["scale"])))
    if declared.get("logicalType") == "uuid" and isinstance(raw, bytes):
        return str(UUID(bytes=raw))
    return _bits(raw) if isinstance(raw, float) else raw


def _bits(number: float) -> str:
    return "nan" if math.isnan(number) else struct.pack("<d", number).hex()


def _found(events: Events, column: Column, row: int) -> Any:
    if column.null[row]:
        return None
    if column.field.kind in {Kind.FLOAT, Kind.DECIMAL}:
        return _bits(float(column.values[row]))
    return _text(events, column, row) if column.field.kind == Kind.TEXT else int(column.values[row])


def _text(events: Events, column: Column, row: int) -> str:
    assert column.starts is not None
    assert column.ends is not None
    return events.data[column.starts[row] : column.ends[row]].tobytes().decode()


def _same_as(events: Events, row: int, expected: dict[str, Any], kinds: dict[str, Any]) -> None:
    for path, column in events.columns.items():
        if column.field.kind == Kind.BYTES:
            assert column.null[row] == (expected.get(path) is None)
            continue
        raw = expected.get(path)
        assert _found(events, column, row) == (None if raw is None else _expected(kinds[path], raw)), path
        if raw is not None and column.field.kind in {Kind.INTEGER, Kind.BOOLEAN, Kind.ENUM}:
            texts = {Kind.BOOLEAN: ("false", "true"), Kind.ENUM: column.field.symbols}.get(column.field.kind)
            assert _text(events, column, row) == (texts[raw] if texts else str(raw))


def _by_fastavro(schema: dict[str, Any], body: bytes, paths: list[str]) -> dict[str, Any]:
    event = fastavro.schemaless_reader(io.BytesIO(body), bare(schema))
    found = {}
    for path, kind in scalars(schema):
        inner: Any = event
        for name in path.split("."):
            inner = None if inner is None else inner[name]
        if inner is not None and path in paths:
            enum = isinstance(kind, dict) and kind["type"] == "enum"
            found[path] = kind["symbols"].index(inner) if enum else inner
    return found


@settings(max_examples=120)
@given(cases(), st.data())
def test_every_field_equals_that_of_fastavro_for_any_used_fields(case: Case, data: st.DataObject) -> None:
    schema, kinds = Schema.parse(case.text, "random.avsc"), dict(scalars(case.schema))
    assert list(schema.fields) == list(kinds)
    paths = data.draw(st.lists(st.sampled_from(list(kinds)), unique=True) if kinds else st.just([]))
    events = _decoder(schema, paths).decode(records(case.bodies))
    assert not events.rejected
    assert set(events.columns) == set(paths)
    for row, body in enumerate(case.bodies):
        expected = _by_fastavro(case.schema, body, paths)
        _same_as(events, row, expected, kinds)
        judged = read(case.schema, body, set(paths))
        assert isinstance(judged, dict)
        assert judged.keys() == expected.keys()  # the reference agrees


@settings(max_examples=150)
@given(cases(), st.data())
def test_damaged_bytes_have_the_verdict_of_the_reference(case: Case, data: st.DataObject) -> None:
    schema, kinds = Schema.parse(case.text, "random.avsc"), dict(scalars(case.schema))
    paths = data.draw(st.lists(st.sampled_from(list(kinds)), unique=True) if kinds else st.just([]))
    bodies = [data.draw(_broken(body)) for body in case.bodies for _ in range(3)] + case.bodies
    events = _decoder(schema, paths).decode(records(bodies))
    rejected = {each.row: each for each in events.rejected}
    assert list(rejected) == sorted(rejected)
    for row, body in enumerate(bodies):
        expected = read(case.schema, body, set(paths))
        if isinstance(expected, Reason):
            assert rejected[row].reason == expected, rejected[row].detail
            assert "expected" in rejected[row].detail
            assert all(column.null[row] for column in events.columns.values())
        else:
            assert row not in rejected, rejected[row].detail
            _same_as(events, row, expected, kinds)


@st.composite
def _broken(draw: st.DrawFn, body: bytes) -> bytes:
    """A body with some bytes changed, put in or taken out."""
    out = bytearray(body)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(out)))
        new = draw(st.one_of(st.binary(max_size=2), st.sampled_from(_HOSTILE)))
        out[at : at + draw(st.integers(0, 2))] = new
    return bytes(out)


@settings(max_examples=60)
@given(cases(), st.data())
def test_truncated_bodies_and_trailing_bytes_are_distinguished(case: Case, data: st.DataObject) -> None:
    schema = Schema.parse(case.text, "random.avsc")
    body = case.bodies[0]
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    more = body + data.draw(st.binary(min_size=1, max_size=9))
    events = _decoder(schema, []).decode(records([body, cut, body, more, body]))
    short, long = events.rejected
    assert (short.row, long.row, long.reason) == (1, 3, Reason.TRAILING_BYTES)
    blocks = '"array"' in case.text or '"map"' in case.text  # there a count may be larger than what is left
    allowed = {Reason.TRUNCATED, *([Reason.BAD_VALUE] if blocks else [])} if cut else {Reason.EMPTY}
    assert short.reason in allowed
