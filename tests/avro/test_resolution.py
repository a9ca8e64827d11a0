"""Schemas of files beside ours: what resolves, to which bytes, and how what does not is told."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import BadEvent, Converter, Schema, read_events
from tests.avro.batches import declared, schema_of, varint
from tests.avro.containers import container, text
from tests.avro.schemas import Case, bare, cases, values, write

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
Read = Callable[[Any, bytes, Any], bytes]


def record(*fields: tuple[str, Any], name: str = "Card", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": each, "type": kind} for each, kind in fields], **more}


def money(scale: int, precision: int = 9) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def enum(*symbols: str, name: str = "Color", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


# What a value of theirs becomes, of ours.
RESOLVED: list[tuple[Any, bytes, Any, bytes]] = [
    (record(("a", "int"), name="topLevelRecord"), b"\x02", record(("a", "int")), b"\x02"),  # by its fields, as Java
    (record(("a", "int")), b"\x02", record(("a", ["null", "long"]), name="x.Y"), b"\x02\x02"),
    (record(("a", "int"), ("b", "int")), b"\x02\x04", record(("b", "int"), ("a", "int")), b"\x04\x02"),
    (record(("old", "int")), b"\x02",
     {**record(), "fields": [{"name": "a", "type": "int", "aliases": ["old"]}]}, b"\x02"),
    (enum("A", "B", name="x.Color"), b"\x02", enum("B", name="y.Color"), b"\x00"),
    (enum("A", name="Old"), b"\x00", enum("B", "A", aliases=["Old"]), b"\x02"),
    (enum("A", "Z"), b"\x02", enum("B", "A", default="A"), b"\x02"),
    ({"type": "fixed", "name": "a.F", "size": 2}, b"ab", {"type": "fixed", "name": "F", "size": 2}, b"ab"),
    # a branch of the same type, though another that it is promoted to comes before; else the first of those
    ("int", b"\x02", ["long", "double", "int"], b"\x04\x02"),
    ("int", b"\x02", ["string", "double", "long"], b"\x02" + bytes(6) + b"\xf0\x3f"),
    (["int", "string"], b"\x02\x02a", ["bytes", "null", "long"], b"\x00\x02a"),
    # a record of the same name, though another with the same fields comes before; else the first of those
    (record(("a", "int")), b"\x02", [record(("a", "int"), name="B"), record(("a", "int"))], b"\x02\x02"),
    (record(("a", "int")), b"\x02",
     ["null", record(("b", "int"), name="B"), record(("a", "int"), name="C")], b"\x04\x02"),
    ([record(("a", "int")), record(("a", "int"), name="B")], b"\x02\x02",
     [record(("a", "int"), name="B"), record(("a", "int"))], b"\x00\x02"),
    (MILLIS, b"\x02", "long", b"\x02"),
    ("long", b"\x02", MILLIS, b"\x02"),
    (money(2, 9), b"\x02\x01", money(2, 18), b"\x02\x01"),
    ("string", b"\x02\xff", "bytes", b"\x02\xff"),
    ("bytes", b"\x02\xff", "string", b"\x02\xff"),
]  # fmt: skip


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What the only event of a file becomes, whose field f0 has a type and bytes, where ours is of another type."""

    def run(theirs: Any, value: bytes, ours: Any) -> bytes:
        path = tmp_path / "events.avro"
        path.write_bytes(container(declared(theirs, last="int"), (1, value + b"\x0e")))
        (body,) = read_events(path, schema_of(ours, last="int"))
        assert body.endswith(b"\x0e")
        return body[:-1]

    return run


@pytest.mark.parametrize(("theirs", "value", "ours", "expected"), RESOLVED)
def test_compatible_schemas_resolve(theirs: Any, value: bytes, ours: Any, expected: bytes, read: Read) -> None:
    assert read(theirs, value, ours) == expected


@pytest.mark.parametrize(
    ("theirs", "value", "ours", "said"),
    [
        (enum("A", name="Old"), b"\x00", enum("A"),
         "f0: enum 'Old' in the file, enum 'Color' in the schema; expected the same name, or \"aliases\": [\"Old\"]"),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", {"type": "fixed", "name": "F", "size": 3},
         "f0: fixed 'F' of 2 bytes in the file, fixed 'F' of 3 bytes in the schema; expected the same size"),
        (MICROS, b"\x02", MILLIS,
         "f0: timestamp-micros in the file, timestamp-millis in the schema; expected the same: otherwise"),
        (MICROS, b"\x02", ["null", MILLIS], "f0: timestamp-micros in the file, timestamp-millis in the schema"),
        (money(2), b"\x02\x01", money(4), "f0: decimal(9, 2) in the file, decimal(9, 4) in the schema"),
        (enum("A", "Z"), b"\x02", enum("A"), "block 1, event 1: f0: the symbol 'Z' is not one of ours, enum 'Color'"),
        (enum("A", "Z"), b"\x04", enum("A"), "block 1, event 1: f0: symbol 2 of an enum of 2"),
        (record(("a", record(("b", "string"), name="B"))), b"", record(("a", record(("b", "int"), name="B"))),
         "f0.a.b: string in the file, int in the schema"),
        (record(("a", "int")), b"", ["null", record(("b", "int"))],
         "f0.b: the file has no such field; expected one, or"),
        ({"type": "array", "items": "int"}, b"", {"type": "map", "values": "int"}, "f0: array in the file, map in the"),
        (["null", "string"], b"\x02\x02a", ["null", "int"], "event 1: f0: string in the file, int in the schema"),
    ],
)  # fmt: skip
def test_incompatible_schemas_are_named(theirs: Any, value: bytes, ours: Any, said: str, read: Read) -> None:
    with pytest.raises(BadEvent) as caught:
        read(theirs, value, ours)
    assert said in str(caught.value)


def evolved(kind: Any, source: random.Random) -> Any:
    """A schema that can read another: fields in another order, some gone, some new, some promoted or null."""
    if isinstance(kind, list):
        return [evolved(branch, source) for branch in kind]
    if not isinstance(kind, dict):
        return source.choice([kind, {"int": "long", "long": "double", "float": "double"}.get(kind, kind)])
    if kind["type"] == "record":
        fields = [{**each, "type": evolved(each["type"], source)} for each in kind["fields"] if source.random() < 0.8]
        fields.append({"name": f"new{source.randrange(10**6)}", "type": "string", "default": "é"})
        source.shuffle(fields)
        return {**kind, "fields": fields}
    inner = {key: evolved(kind[key], source) for key in ("items", "values") if key in kind}
    return {**kind, **inner}


@settings(max_examples=100)
@given(case=cases(wide=False), data=st.data(), seed=st.integers(0, 10**6))
def test_random_schemas_resolve_as_fastavro_resolves_them(
    tmp_path_factory: pytest.TempPathFactory, case: Case, data: st.DataObject, seed: int
) -> None:
    event = data.draw(values(case.schema))
    ours = evolved(bare(case.schema), random.Random(seed))  # noqa: S311  no secrets
    body = write(case.schema, event)
    path = tmp_path_factory.getbasetemp() / "random.avro"
    path.write_bytes(container(bare(case.schema), (1, body)))
    theirs, wanted = fastavro.parse_schema(bare(case.schema)), fastavro.parse_schema(ours)
    expected = fastavro.schemaless_reader(io.BytesIO(body), theirs, wanted)
    (found,) = read_events(path, Schema.parse(json.dumps(ours), "event.avsc"))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, wanted, expected)
    assert found == out.getvalue()


def test_a_block_with_a_size_is_read_to_its_end(read: Read) -> None:
    items = varint(-2) + text(b"\x02\x04") + b"\x00"
    ours = {"type": "array", "items": ["null", "int"]}
    assert read({"type": "array", "items": "int"}, items, ours) == b"\x04\x02\x02\x02\x04\x00"


def test_a_new_field_gets_its_default(read: Read) -> None:
    ours = {
        **record(("a", "int")),
        "fields": [{"name": "b", "type": ["null", "string"], "default": "x"}, {"name": "a", "type": "int"}],
    }
    body = read(record(("a", "int")), b"\x02", ours)
    assert Converter(schema_of(ours)).to_json(body) == {"f0": {"b": "x", "a": 1}}
