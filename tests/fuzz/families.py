"""Families of schemas: the one that a reader has, and those of writers that it reads, with events of each.

All of it is made from a random source, by the same palette of types as the property tests have.
"""

import io
import random
from dataclasses import dataclass
from typing import Any

import fastavro

from scorer.avro.program.program import MOST_CALLS
from tests.avro.evolution import evolved
from tests.avro.schemas import BRANCHES, LOGICAL, NAMED, PRIMITIVES, bare, scalars, sizeless

EVENTS = 48  # of each writer
LONGEST = 400  # bytes of an event; longer ones are left out
DEPTH = 3  # of types inside each other
EDGES = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2**31 - 1, -(2**31)]
WIDE_EDGES = [*EDGES, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
TREE: dict[str, Any] = {  # which contains itself, in two ways
    "type": "record",
    "name": "Tree",
    "fields": [
        {"name": "word", "type": "string"},
        {"name": "kids", "type": {"type": "array", "items": "Tree"}},
        {"name": "next", "type": ["null", "Tree"]},
    ],
}
REALS = [0.0, -0.0, 1.5, -2.25, 1e30, float("inf"), float("-inf"), float("nan"), 5e-324]
TEXTS = ["", "a", "JFK", "é", "日本", "\U0001f600", "x" * 70, "\x00"]


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """A schema, and bodies of events that were written with it."""

    schema: dict[str, Any]
    bodies: list[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A reader's schema, and its writers; the first writer has the reader's schema itself."""

    reader: dict[str, Any]
    used: tuple[str, ...]  # the paths that are decoded
    writers: list[Writer]


def family(source: random.Random) -> Family:
    """Return a family: its reader evolved from a schema, and so did its writers."""
    while True:
        base = _record(source, _Names(), DEPTH, wide=source.random() < 0.3)
        reader = evolved(base, source, top=True)
        paths = [path for path, kind in scalars(reader) if kind != "null"]
        if not sizeless(base) and not sizeless(reader) and paths:
            break
    used = source.sample(paths, source.randint(1, len(paths)))
    schemas = [reader, base, _turned(base, source), evolved(base, source, top=True)]
    return Family(reader, tuple(used), [Writer(each, _bodies(each, source)) for each in schemas])


def _turned(kind: Any, source: random.Random) -> Any:
    """Return a type with the fields of its records in another order, and some that the reader does not have."""
    if isinstance(kind, list):
        return [_turned(branch, source) for branch in kind]
    if not isinstance(kind, dict) or kind["type"] != "record":
        return kind
    fields = [{**field, "type": _turned(field["type"], source)} for field in kind["fields"]]
    more = _record(source, _Names(f"Own{kind['name']}"), 2, wide=True)["fields"]
    fields += [{**field, "name": f"own_{field['name']}"} for field in more[:2]]
    if source.random() < 0.5 and kind["name"] == "Record1":  # once in a schema
        fields.append({"name": "own_tree", "type": TREE})
    return {**kind, "fields": source.sample(fields, len(fields))}


def _tree(source: random.Random, depth: int = 5) -> dict[str, Any]:
    """Return a value of TREE; a few are almost as deep as one may be."""
    if source.random() < 0.02:
        return _deep(MOST_CALLS - source.randrange(4))
    kids = [_tree(source, depth - 1) for _ in range(source.randrange(3))] if depth else []
    branch = ("Tree", _tree(source, depth - 1)) if depth and source.random() < 0.3 else ("null", None)
    return {"word": source.choice(TEXTS), "kids": kids, "next": branch}


def _deep(depth: int) -> dict[str, Any]:
    """Return a value of TREE with so many inside each other."""
    inner = ("Tree", _deep(depth - 1)) if depth else ("null", None)
    return {"word": "", "kids": [], "next": inner}


def _bodies(schema: dict[str, Any], source: random.Random) -> list[bytes]:
    parsed = fastavro.parse_schema(bare(schema))
    made = [_written(parsed, _value(schema, source)) for _ in range(EVENTS)]
    return [body for body in made if len(body) <= LONGEST] or [min(made, key=len)[:LONGEST]]


def _written(schema: Any, event: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, event)
    return out.getvalue()


class _Names:
    def __init__(self, before: str = "") -> None:
        self.before, self.count = before, 0

    def __call__(self, stem: str) -> str:
        self.count += 1
        return f"{self.before}{stem}{self.count}"


def _type(source: random.Random, names: _Names, depth: int, *, wide: bool) -> Any:
    if depth and source.random() < 0.5:
        return _compound(source, names, depth - 1, wide=wide)
    declared: Any = source.choice([*PRIMITIVES, *LOGICAL, *NAMED])
    return {**declared, "name": names("Named")} if declared in NAMED else declared


def _compound(source: random.Random, names: _Names, depth: int, *, wide: bool) -> Any:
    shapes = ["nullable"] * 4 + ["record"] * 2 + ["array", "map", "single"] + ["wide"] * wide
    shape = source.choice(shapes)
    if shape == "record":
        return _record(source, names, depth, wide=wide)
    if shape == "wide":
        return [*source.sample(BRANCHES, source.randint(2, 4)), _record(source, names, 0, wide=wide)]
    inner = _type(source, names, depth, wide=wide)
    if shape in {"array", "map"}:
        return {"type": shape, "items" if shape == "array" else "values": inner}
    if isinstance(inner, list) or inner == "null":
        return inner
    if shape == "single":
        return [inner]
    return ["null", inner] if source.random() < 0.5 else [inner, "null"]


def _record(source: random.Random, names: _Names, depth: int, *, wide: bool) -> dict[str, Any]:
    name = names("Record")
    kinds = [_type(source, names, depth, wide=wide) for _ in range(source.randint(0, 6))]
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(kinds)]}


def _value(kind: Any, source: random.Random) -> Any:  # noqa: PLR0911  one a type
    """Return a value as fastavro takes it: a branch of a union with its name."""
    if isinstance(kind, list):
        branch = source.choice(kind)
        return (branch if isinstance(branch, str) else branch.get("name", branch["type"])), _value(branch, source)
    declared = kind if isinstance(kind, dict) else {"type": kind}
    match declared["type"]:
        case "record" if kind is TREE:
            return _tree(source)
        case "record":
            return {field["name"]: _value(field["type"], source) for field in declared["fields"]}
        case "array":
            many = 1 if sizeless(declared["items"]) else source.choice([0, 1, 2, 2, 5])
            return [_value(declared["items"], source) for _ in range(many)]
        case "map":
            return {source.choice(TEXTS): _value(declared["values"], source) for _ in range(source.randrange(4))}
        case "enum":
            return source.choice(declared["symbols"])
        case "fixed":
            return source.randbytes(declared["size"] - 1).rjust(declared["size"], b"\0") if declared["size"] else b""
        case base:
            return _PLAIN[base](source)


_PLAIN: dict[str, Any] = {
    "null": lambda source: None,  # noqa: ARG005  as the others
    "boolean": lambda source: source.random() < 0.5,
    "int": lambda source: source.choice([*EDGES, source.randrange(-(2**31), 2**31)]),
    "long": lambda source: source.choice([*WIDE_EDGES, source.randrange(-(2**63), 2**63)]),
    "float": lambda source: source.choice([*REALS, source.uniform(-1e6, 1e6)]),
    "double": lambda source: source.choice([*REALS, source.uniform(-1e300, 1e300)]),
    "bytes": lambda source: source.randbytes(source.choice([1, 1, 2, 4, 9])),
    "string": lambda source: source.choice(TEXTS),
}
