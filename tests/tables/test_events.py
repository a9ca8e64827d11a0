"""Events of Arrow batches are those of the same rows as Avro: equal columns, texts, ids, times and rejected rows."""

import functools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import BadEvent, Converter, Decoder, Schema, Wanted, unframed
from scorer.batch import Events, Kind, Records
from scorer.errors import Misconfigured
from scorer.tables.events import TableEvents

# The kinds of fields: the type in Avro, and a type in Arrow that has values that do and do not fit.
KINDS: dict[str, tuple[Any, pa.DataType, st.SearchStrategy[Any]]] = {
    "int": ("int", pa.int64(), st.integers(-(2**32), 2**32)),
    "short": ("int", pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "long": ("long", pa.uint64(), st.integers(0, 2**64 - 1)),
    "whole": ("long", pa.float64(), st.floats() | st.integers(-(2**63), 2**63).map(float)),
    "float": ("float", pa.float64(), st.floats()),
    "half": ("float", pa.float16(), st.floats(width=16)),
    "double": ("double", pa.float64(), st.floats()),
    "count": ("double", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "price": ("double", pa.decimal128(12, 3), st.decimals(-999_999, 999_999, places=3)),
    "boolean": ("boolean", pa.bool_(), st.booleans()),
    "string": ("string", pa.string(), st.text()),
    "large": ("string", pa.large_string(), st.text()),
    "word": ("string", pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", ""])),
    "uuid": ({"type": "string", "logicalType": "uuid"}, pa.string(), st.uuids().map(str) | st.just("no")),
    "guid": (
        {"type": "fixed", "name": "Guid", "size": 16, "logicalType": "uuid"},
        pa.string(),
        st.uuids().map(str) | st.just("no"),
    ),
    "enum": ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, pa.string(), st.sampled_from(["a", "b", "c"])),
    "coded": (
        {"type": "enum", "name": "F", "symbols": ["a", "b"]},
        pa.dictionary(pa.int8(), pa.string()),
        st.sampled_from(["b", "a", "c"]),
    ),
    "date": ({"type": "int", "logicalType": "date"}, pa.date32(), st.dates()),
    "day": ({"type": "int", "logicalType": "date"}, pa.string(), st.sampled_from(["2020-02-29", "2020-02-30"])),
    "time": ({"type": "int", "logicalType": "time-millis"}, pa.time64("us"), st.times()),
    "moment": (
        {"type": "long", "logicalType": "timestamp-millis"},
        pa.timestamp("us", "UTC"),
        st.datetimes(timezones=st.just(UTC)),
    ),
    "nanos": (
        {"type": "long", "logicalType": "timestamp-nanos"},
        pa.timestamp("s", "UTC"),
        st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0)),
    ),
    "since": ({"type": "long", "logicalType": "timestamp-micros"}, pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "decimal": (
        {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
        pa.decimal128(12, 3),
        st.decimals(-99_999, 99_999, places=3),
    ),
}  # fmt: skip
WITH_TEXT = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN}


@functools.cache
def decoder_of(known: Schema, *own: str | None) -> Decoder:
    return Decoder(Wanted(known, [*known.fields], texts_of(known), *own), unframed(known), 10**6)


@functools.cache
def schema_of(name: str, nullable: bool) -> Schema:  # noqa: FBT001  the key of a cache
    kind = KINDS[name][0]
    return schema({"x": ["null", kind] if nullable else kind})


def schema(fields: dict[str, Any]) -> Schema:
    members = [{"name": name, "type": kind} for name, kind in fields.items()]
    return Schema.parse(json.dumps({"type": "record", "name": "Event", "fields": members}), "event.avsc")


def texts_of(known: Schema) -> list[str]:
    return [path for path, field in known.fields.items() if field.kind in WITH_TEXT]


def by_avro(known: Schema, rows: Sequence[dict[str, Any]], own: Sequence[str | None]) -> tuple[Events, dict[int, str]]:
    """Return the events of the rows that Avro can hold, and why it cannot hold the others."""
    bodies, bad, converter = list[bytes](), dict[int, str](), Converter(known)
    for number, row in enumerate(rows):
        try:
            bodies.append(converter.to_avro(row, ""))
        except BadEvent as error:
            bad[number] = str(error).removeprefix(": ")
            bodies.append(b"")
    return decoder_of(known, *own).decode(Records.of(bodies)), bad


def by_arrow(known: Schema, batch: pa.RecordBatch, own: Sequence[str | None] = (None, None)) -> Events:
    wanted = Wanted(known, [*known.fields], texts_of(known), *own)
    return TableEvents(wanted, batch.schema, "table").events(batch)


def content(events: Events, path: str, row: int) -> tuple[Any, ...]:
    """Return everything that a column has for a row."""
    column = events.columns[path]
    if column.null[row]:
        return (None,)
    number = column.values[row : row + 1].tobytes() if len(column.values) else b""
    text = b""
    if column.starts is not None and column.ends is not None:
        text = events.data[column.starts[row] : column.ends[row]].tobytes()
    return number, text


def equal(found: Events, expected: Events, bad: dict[int, str]) -> None:
    assert {each.row: each.detail for each in found.rejected} == bad
    for row in set(range(found.rows)) - set(bad):
        for path in found.columns:
            assert content(found, path, row) == content(expected, path, row), (path, row)
        ids = [each.data[each.id_starts[row] : each.id_ends[row]].tobytes() for each in (found, expected)]
        assert ids[0] == ids[1]
        assert found.time[row] == expected.time[row]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("nullable", [False, True])
@settings(max_examples=30)
@given(st.data())
def test_a_column_is_that_of_the_same_values_as_avro(name: str, nullable: bool, data: st.DataObject) -> None:  # noqa: FBT001  by pytest
    _, found, values = KINDS[name]
    known = schema_of(name, nullable)
    drawn, begin = pa.array(data.draw(st.lists(values | st.none(), max_size=8)), found), data.draw(st.integers(0, 2))
    array = drawn[begin:]  # as files and tables are cut
    expected, bad = by_avro(known, [{"x": value.as_py()} for value in array], (None, None))
    words = {row: why.replace("null or ", "") for row, why in bad.items()}
    equal(by_arrow(known, pa.record_batch({"x": array})), expected, words)


def test_members_of_structs_are_fields() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "y", "type": ["null", "string"]}]}
    known = schema({"x": ["null", inner], "z": "double"})
    rows: list[dict[str, Any]] = [{"x": {"y": "a"}, "z": 1}, {"x": {"y": None}, "z": 2}, {"x": None, "z": 3}]
    table = pa.Table.from_pylist([{**row, "other": 7} for row in rows])
    equal(by_arrow(known, table.slice(1).to_batches()[0]), by_avro(known, rows[1:], (None, None))[0], {})
    equal(by_arrow(known, table.to_batches()[0]), by_avro(known, rows, (None, None))[0], {})


def test_ids_and_times_are_those_of_the_events() -> None:
    known = schema({"id": ["null", "long"], "at": ["null", {"type": "long", "logicalType": "timestamp-micros"}]})
    rows: list[dict[str, Any]] = [{"id": 7, "at": datetime(2020, 1, 1, tzinfo=UTC)}, {"id": None, "at": None}]
    batch = pa.RecordBatch.from_pylist(rows, pa.schema({"id": pa.int64(), "at": pa.timestamp("ns", "UTC")}))
    found = by_arrow(known, batch, ("id", "at"))
    equal(found, by_avro(known, rows, ("id", "at"))[0], {})
    assert found.data[found.id_starts[1] : found.id_ends[1]].tobytes() == b"1"


def test_null_is_rejected_where_the_schema_has_none() -> None:
    found = by_arrow(schema({"a": "int"}), pa.record_batch({"a": pa.array([1, None])}))
    assert [(each.row, each.detail) for each in found.rejected] == [(1, "a: null; expected a whole number of 32 bits")]


def test_a_rejected_row_keeps_its_id() -> None:
    known = schema({"id": "string", "a": "int"})
    batch = pa.record_batch({"id": pa.array(["p", "q", None]), "a": pa.array([2**40, 1, 2])})
    found = by_arrow(known, batch, ("id", None))
    ids = [found.data[start:end].tobytes() for start, end in zip(found.id_starts, found.id_ends, strict=True)]
    assert ids == [b"p", b"q", b"2"]
    assert found.columns["a"].null.tolist() == [True, False, True]


def test_a_row_is_rejected_once() -> None:
    known = schema({"a": "int", "b": "int"})
    found = by_arrow(known, pa.record_batch({"a": pa.array([2**40, 1]), "b": pa.array([None, 2**40])}))
    assert [(each.row, each.detail.partition(":")[0]) for each in found.rejected] == [(0, "a"), (1, "b")]
    assert found.columns["a"].null.tolist() == [True, True]


def test_text_that_is_not_utf8_is_rejected() -> None:
    array = pa.array([b"a", b"\xff", None]).cast(pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, array.buffers())
    found = by_arrow(schema({"x": ["null", "string"]}), pa.record_batch({"x": broken}))
    assert [(each.row, each.detail) for each in found.rejected] == [(1, "x: text that is not UTF-8; expected text")]


def test_every_column_that_does_not_fit_is_named() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "y", "type": "int"}]}
    known = schema({"amount": "double", "colour": "string", "x": inner, "free": ["null", "int"]})
    found = pa.schema({"amonut": pa.float64(), "colour": pa.list_(pa.int8()), "x": pa.struct({"z": pa.int8()})})
    with pytest.raises(Misconfigured) as raised:
        TableEvents(Wanted(known, [*known.fields], [], None, None), found, "flights.parquet")
    assert str(raised.value).splitlines() == [
        "flights.parquet: no column 'amount'; did you mean 'amonut'?; the schema has 'amount', without a default",
        "flights.parquet: column 'colour' is list<item: int8>; expected text",
        "flights.parquet: column 'x' is struct<z: int8>, which has no 'y'; the schema has 'x.y', without a default",
    ]


def test_a_column_without_any_value_is_null() -> None:
    known = schema({"x": ["null", "string"], "y": "long"})
    batch = pa.record_batch({"x": pa.nulls(2), "y": pa.array([1, 2])})
    equal(by_arrow(known, batch), by_avro(known, [{"y": 1}, {"y": 2}], (None, None))[0], {})


def test_a_field_without_a_column_takes_its_default() -> None:
    day = {"type": "int", "logicalType": "date"}
    inner = {
        "type": "record",
        "name": "In",
        "fields": [{"name": "y", "type": "int"}, {"name": "z", "type": ["null", "int"]}],
    }
    defaults = [
        {"name": "a", "type": ["double", "null"], "default": 1.5},
        {"name": "b", "type": {"type": "enum", "name": "E", "symbols": ["u", "v"]}, "default": "v"},
        {"name": "c", "type": day, "default": 3},
        {"name": "d", "type": ["null", "string"], "default": None},
        {"name": "e", "type": inner, "default": {"y": 7, "z": None}},
        {
            "name": "f",
            "type": {
                "type": "record",
                "name": "F",
                "fields": [{"name": "y", "type": "int", "default": 9}, {"name": "x", "type": "int"}],
            },
        },
    ]
    fields = [{"name": "id", "type": "string"}, *defaults]
    known = Schema.parse(json.dumps({"type": "record", "name": "Event", "fields": fields}), "event.avsc")
    batch = pa.RecordBatch.from_pylist([{"id": "p", "f": {"x": 1}}, {"id": "q", "f": {"x": 2}}])
    rows = [{"id": "p", "f": {"x": 1}}, {"id": "q", "f": {"x": 2}}]
    equal(by_arrow(known, batch), by_avro(known, rows, (None, None))[0], {})


def test_a_column_with_a_slip_in_its_name_is_not_taken_for_absent() -> None:
    known = schema({"discount": ["null", "double"], "amount": "double"})
    found = pa.schema({"discuont": pa.float64(), "amount": pa.float64()})
    with pytest.raises(Misconfigured, match="no column 'discount'; did you mean 'discuont'"):
        TableEvents(Wanted(known, [*known.fields], [], None, None), found, "table")


def test_two_columns_of_one_name_are_refused() -> None:
    """The error names the table, which may be one of many, and what else is wrong with it."""
    known = schema({"amount": "double", "count": "int"})
    found = pa.schema([("amount", pa.float64()), ("amount", pa.int8()), ("count", pa.bool_())])
    with pytest.raises(Misconfigured) as refused:
        TableEvents(Wanted(known, ["amount", "count"], [], None, None), found, "table")
    told = [str(problem) for problem in refused.value.problems]
    assert told[0] == "table: column 'amount' occurs more than once; keep one"
    assert told[1].startswith("table: column 'count' is bool")
