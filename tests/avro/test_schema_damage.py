"""Schemas with odd values at random places: each is read or refused, with the place of what is wrong."""

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import pytest

from scorer.avro import Schema
from scorer.avro.schema.reader import read_schema
from scorer.errors import Misconfigured, Problem

WHOLE: Any = {
    "type": "record", "name": "Event", "namespace": "a.b", "doc": "d", "aliases": ["Old"],
    "fields": [
        {"name": "id", "type": "string", "doc": "x", "order": "ignore", "aliases": ["key"], "default": ""},
        {"name": "amount", "default": "\u0000",
         "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "made", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "color", "default": "A",
         "type": {"type": "enum", "name": "Color", "symbols": ["A", "B"], "default": "A", "aliases": ["c.Colour"]}},
        {"name": "two", "type": {"type": "fixed", "name": "Two", "size": 2}, "default": "ab"},
        {"name": "id16", "type": {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}, "default": ["a", None]},
        {"name": "limits", "type": {"type": "map", "values": "double"}, "default": {"a": 1.5}},
        {"name": "card", "default": {"number": 5, "kind": "B"},
         "type": {"type": "record", "name": "Card", "fields": [
             {"name": "number", "type": "int"}, {"name": "kind", "type": "Color"}]}},
        {"name": "other", "type": ["null", "Card", "a.b.Two", "int"], "default": None},
        {"name": "beside", "type": "long", "logicalType": "timestamp-millis"},
    ],
}  # fmt: skip
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 2**31, 2**63, 10**400, "", "x", "null", "int", "Card", "a.b", "a-b", "é", "\ud800",
    [], [[]], ["int"], [None], [1], {}, {"type": "int"}, {"type": {}}, {"type": "fixed"}, {"type": None}, {"name": 1},
    {"type": "bytes", "logicalType": "decimal", "precision": 5, "size": "x"},
    {"type": "bytes", "logicalType": "decimal", "precision": "9"},
    {"type": "fixed", "name": "F", "size": 2**31 - 1, "logicalType": "decimal", "precision": 2**31},
    {"type": "string", "logicalType": []},
]  # fmt: skip
KEYS = [
    "type",
    "name",
    "default",
    "logicalType",
    "precision",
    "scale",
    "size",
    "symbols",
    "aliases",
    "namespace",
    "fields",
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where a value can be put in place of another: each object or list, and a key or index of it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


def damaged(source: random.Random) -> Any:
    """The whole schema with one to three odd values."""
    schema = json.loads(json.dumps(WHOLE))
    for _ in range(source.randint(1, 3)):
        holder, key = source.choice(list(places(schema)))
        match source.randrange(4):
            case 0 if isinstance(holder, dict):
                holder[source.choice(KEYS)] = deepcopy(source.choice(ODD))
            case 1:
                del holder[key]
            case 2 if isinstance(holder, list):
                holder.insert(key, deepcopy(source.choice(ODD)))
            case _:
                holder[key] = deepcopy(source.choice(ODD))
    return schema


def found(read: Callable[[], object]) -> list[Problem]:
    """What is wrong, where anything is."""
    try:
        read()
    except Misconfigured as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_schema_is_read_or_refused_with_its_location(seed: int) -> None:
    source, refused = random.Random(seed), 0  # noqa: S311  no secrets
    for _ in range(1_500):
        text = json.dumps(damaged(source))
        problems = found(partial(Schema.parse, text, "event.avsc"))
        problems += found(partial(read_schema, text, "event.avsc", foreign=True))
        assert all(each.where.startswith("event.avsc") and each.what for each in problems)
        refused += bool(problems)
    assert 500 < refused < 1_500


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"type":' * 10**5, '{"a":' * 900 + "1" + "}" * 900, "9" * 5_000, "\x00", "NaN"]
)
def test_text_that_is_hard_to_parse_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        Schema.parse(text, "event.avsc")
