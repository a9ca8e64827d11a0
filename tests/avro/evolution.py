"""Schemas that change: what evolves from one, what fastavro makes of an event then, and what a column says of it."""

import io
import math
import random
import struct
from typing import Any

import fastavro
import numpy as np

from scorer.batch import Column, Events, Kind
from tests.avro.schemas import bare


def by(schema: Any, event: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(bare(schema)), event)
    return out.getvalue()


def held(events: Events, column: Column, row: int) -> Any:
    """What a column says of a row, by its kind."""
    if column.null[row]:
        return None
    match column.field.kind:
        case Kind.FLOAT | Kind.DECIMAL:
            return float(column.values[row])
        case Kind.TEXT:
            assert column.starts is not None
            assert column.ends is not None
            return events.data[column.starts[row] : column.ends[row]].tobytes().decode()
        case Kind.ENUM:
            return column.field.symbols[int(column.values[row])]
        case _:
            return int(column.values[row])


def evolved(kind: Any, source: random.Random, top: bool = False) -> Any:  # noqa: FBT001, FBT002  whether it is the event
    """A schema that can read another, or nearly."""
    if isinstance(kind, list):
        others = [evolved(branch, source) for branch in kind if branch != "null"]
        if source.random() < 0.1 and len(others) == 1 and not isinstance(others[0], list):
            return others[0]  # null is then what nobody can read
        branches = [evolved(branch, source) for branch in kind]
        types = [branch if isinstance(branch, str) else branch["type"] for branch in branches]
        unnamed = [each for each in types if each not in {"record", "enum", "fixed"}]
        return branches if len(set(unnamed)) == len(unnamed) else kind  # only named types may repeat
    if not isinstance(kind, dict):
        wider = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"]}
        return source.choice([kind, kind, *wider.get(kind, {"string": ["bytes"], "bytes": ["string"]}.get(kind, []))])
    if kind["type"] == "record":
        fields = [_field(each, source) for each in kind["fields"] if source.random() < 0.85]
        if top or source.random() < 0.3:
            fields += source.sample(NEW, 2) if top else []
        source.shuffle(fields)
        return {**kind, "fields": fields}
    if kind["type"] == "enum":
        symbols = [*kind["symbols"], "NEW"]
        source.shuffle(symbols)
        kept = symbols[: max(1, len(symbols) - source.randrange(3))]
        return {**kind, "symbols": kept, **({"default": kept[0]} if source.random() < 0.6 else {})}
    return kind


NEW: list[dict[str, Any]] = [
    {"name": "new_text", "type": "string", "default": "é"},
    {"name": "new_number", "type": "double", "default": -1.5},
    {"name": "new_choice", "type": ["int", "null"], "default": 7},
    {"name": "new_null", "type": ["null", "long"], "default": None},
    {"name": "new_enum", "type": {"type": "enum", "name": "NewE", "symbols": ["X", "Y"]}, "default": "Y"},
    {
        "name": "new_record",
        "type": {
            "type": "record",
            "name": "NewR",
            "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string", "default": "inner"}],
        },
        "default": {"a": 5, "b": "inner"},  # whole, for fastavro does not fill one
    },
]


def _field(field: dict[str, Any], source: random.Random) -> dict[str, Any]:
    kind = evolved(field["type"], source)
    if source.random() < 0.2 and not isinstance(kind, list) and kind != "null":
        kind = source.choice([["null", kind], [kind, "null"]])
    if source.random() < 0.15:
        return {"name": f"renamed_{field['name']}", "aliases": ["other", field["name"]], "type": kind}
    return {"name": field["name"], "type": kind}


def resolved(writer: Any, reader: Any, body: bytes) -> Any:
    """What fastavro makes of a body, or the error that it raises."""
    return read_by(fastavro.parse_schema(bare(writer)), fastavro.parse_schema(bare(reader)), body)


def read_by(writer: Any, reader: Any, body: bytes) -> Any:
    """The same, of schemas as fastavro has parsed them."""
    try:
        return fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
    except Exception as error:  # noqa: BLE001  of many kinds
        return error


def at(event: Any, path: str) -> Any:
    for name in path.split("."):
        event = None if event is None else event[name]
    return event


def same(found: Any, expected: Any, kind: Any) -> bool:
    if isinstance(expected, float) and kind == "float":
        with np.errstate(over="ignore"):
            expected = float(np.float32(expected))
    if isinstance(expected, float) and found is not None:
        return struct.pack("<d", found) == struct.pack("<d", expected) or (math.isnan(found) and math.isnan(expected))
    return found == expected and (found is None) == (expected is None)
