"""Random Avro schemas, with values of them as fastavro takes and gives them when it knows no logical types."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastavro
from hypothesis import strategies as st

LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 30},
]
NAMED = [
    {"type": "enum", "symbols": ["A", "B", "C"]},
    {"type": "enum", "symbols": [f"S{number}" for number in range(70)]},  # an index may take two bytes
    {"type": "fixed", "size": 0},
    {"type": "fixed", "size": 3},
    {"type": "fixed", "size": 16, "logicalType": "uuid"},
    {"type": "fixed", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4},
]
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
BRANCHES = [*PRIMITIVES, {"type": "array", "items": "int"}, {"type": "map", "values": "int"}]  # of wide unions


@dataclass
class Case:
    """A schema and some events of it."""

    schema: dict[str, Any]
    bodies: list[bytes]

    @property
    def text(self) -> str:
        return json.dumps(self.schema)


class _Names:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"


@st.composite
def _types(draw: st.DrawFn, names: _Names, depth: int, *, wide: bool) -> Any:
    if depth and draw(st.booleans()):
        return draw(_compound(names, depth, wide=wide))
    declared: Any = draw(st.sampled_from([*PRIMITIVES, *LOGICAL, *NAMED]))
    return {**declared, "name": names("Named")} if declared in NAMED else declared


@st.composite
def _compound(draw: st.DrawFn, names: _Names, depth: int, *, wide: bool) -> Any:
    inner = _types(names, depth - 1, wide=wide)
    shapes = ["nullable"] * 4 + ["record"] * 2 + ["array", "map", "single"] + ["wide"] * wide
    match draw(st.sampled_from(shapes)):
        case "array":
            return {"type": "array", "items": draw(inner)}
        case "map":
            return {"type": "map", "values": draw(inner)}
        case "record":
            return draw(_records(names, depth - 1, wide=wide))
        case "single":
            branch = draw(inner)
            return branch if isinstance(branch, list) else [branch]
        case "nullable":
            branch = draw(inner)
            bare_or_union = branch == "null" or isinstance(branch, list)
            return branch if bare_or_union else draw(st.permutations(["null", branch]))
        case _:
            chosen = draw(st.lists(st.sampled_from(BRANCHES), min_size=2, max_size=4, unique_by=str))
            return [*chosen, *draw(st.lists(_records(names, 0, wide=wide), min_size=1, max_size=2))]


@st.composite
def _records(draw: st.DrawFn, names: _Names, depth: int, *, wide: bool) -> dict[str, Any]:
    name = names("Record")
    types = draw(st.lists(_types(names, depth, wide=wide), max_size=5))
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(types)]}


def sizeless(kind: Any) -> bool:
    """Whether values have no bytes."""
    if not isinstance(kind, dict):
        return bool(kind == "null")
    if kind["type"] == "record":
        return all(sizeless(field["type"]) for field in kind["fields"])
    return kind.get("size") == 0 or kind["type"] == "null"


def values(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911  one a type
    """Values of a type; those of a union in fastavro's pairs."""
    if isinstance(kind, list):
        return st.one_of([st.tuples(st.just(_name(branch)), values(branch)) for branch in kind])
    if isinstance(kind, str):
        return _PRIMITIVE[kind]
    match kind["type"]:
        case "record":
            return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in kind["fields"]})
        case "array":
            return st.lists(values(kind["items"]), max_size=1 if sizeless(kind["items"]) else 3)
        case "map":
            return st.dictionaries(st.text(max_size=3), values(kind["values"]), max_size=3)
        case "enum":
            return st.sampled_from(kind["symbols"])
        case base if kind.get("logicalType") == "decimal":
            return st.builds(_decimal, decimals(kind["precision"]), st.integers(0, 3), st.just(kind.get("size")))
        case "fixed":
            return st.binary(min_size=kind["size"], max_size=kind["size"])
        case "string":
            return st.uuids().map(str)
        case base:
            return _PRIMITIVE[base]


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else kind.get("name", kind["type"])


def decimals(precision: int) -> st.SearchStrategy[int]:
    """Unscaled decimals, the hard ones among them."""
    most = 10**precision - 1
    edges = [number for number in (0, 127, 128, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, most) if number <= most]
    return st.one_of(
        st.sampled_from(edges), st.sampled_from(edges).map(lambda number: -number), st.integers(-most, most)
    )


def _decimal(number: int, padding: int, size: int | None) -> bytes:
    return number.to_bytes(size or number.bit_length() // 8 + 1 + padding, "big", signed=True)


_PRIMITIVE: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "bytes": st.binary(max_size=20),
    "string": st.text(max_size=20),
}


def bare(kind: Any) -> Any:
    """The schema without logical types."""
    if isinstance(kind, dict):
        return {key: bare(value) for key, value in kind.items() if key != "logicalType"}
    return [bare(branch) for branch in kind] if isinstance(kind, list) else kind


def write(schema: Any, event: Any) -> bytes:
    """The body of an event, by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, bare(schema), event)
    return out.getvalue()


@st.composite
def cases(draw: st.DrawFn, *, wide: bool = True, events: int = 4) -> Case:
    """Schemas with events; `wide`: with unions of more than null and one other type."""
    schema = draw(_records(_Names(), 3, wide=wide).filter(lambda schema: not sizeless(schema)))
    found = draw(st.lists(values(schema), min_size=1, max_size=events))
    return Case(schema, [write(schema, event) for event in found])


def scalars(kind: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields that can be addressed: their paths and types."""
    if isinstance(kind, list):
        others = [branch for branch in kind if branch != "null"]
        if len(others) > 1:
            return
        kind = others[0] if others else "null"
    if isinstance(kind, dict) and kind["type"] == "record":
        for field in kind["fields"]:
            yield from scalars(field["type"], f"{path}.{field['name']}".lstrip("."))
    elif not isinstance(kind, dict) or kind["type"] not in {"array", "map"}:
        yield path, kind
