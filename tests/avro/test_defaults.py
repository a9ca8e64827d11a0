"""Defaults: what Avro holds for them, and how one that does not fit is told, when the schema is read."""

import io
import json
from typing import Any

import fastavro
import pytest

from scorer.avro import Converter, Schema
from scorer.errors import Misconfigured
from tests.avro.schemas import bare

TWO = {"type": "fixed", "name": "Two", "size": 2}
ENUM = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}
CARD = {"type": "record", "name": "Card", "fields": [
    {"name": "number", "type": "int"}, {"name": "kind", "type": "string", "default": "debit"}]}  # fmt: skip
DATE = {"type": "int", "logicalType": "date"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
COINS = {"type": "fixed", "name": "Coins", "size": 2, "logicalType": "decimal", "precision": 4}

FITTING: list[tuple[Any, Any, Any]] = [  # a type, its default, and what Avro holds
    ("double", 0, 0.0), ("double", "NaN", float("nan")),
    ("bytes", "\u00ff", b"\xff"), (TWO, "\u0000\u00ff", b"\x00\xff"),
    (DATE, 1, 1), (MONEY, "\u0001", b"\x01"), (["null", "string"], "NEW", "NEW"), (["string", "null"], None, None),
    (["string", ENUM], "RED", "RED"), ([ENUM, "string"], "RED", "RED"), ([ENUM, "string"], "x", "x"),
    (CARD, {"number": 1}, {"number": 1, "kind": "debit"}), ({"type": "array", "items": CARD}, [], []),
    ({"type": "map", "values": TWO}, {"a": "ab"}, {"a": b"ab"}),
]  # fmt: skip
MISFITS: list[tuple[Any, Any, str]] = [  # a type, its default, and what is said
    ("int", "0", 'the default is the text "0"; expected a whole number of 32 bits, so 0 without quotes'),
    ("int", 2**31, "the default is 2147483648; expected a whole number of 32 bits"),
    ("int", 7.0, "the default is 7.0; expected a whole number of 32 bits"),
    ("int", None, "the default is null; expected a whole number of 32 bits"),
    ("int", True, "the default is true; expected a whole number"),
    ("long", 2**63, "expected a whole number of 64 bits"),
    ("float", 1e39, "the default is 1e+39; expected a number that a float32 holds"),
    ("double", "0.5", 'the default is the text "0.5"; expected a number, so 0.5 without quotes'),
    ("boolean", "false", 'the default is the text "false"; expected true or false, so false without quotes'),
    ("string", None, "the default is null; expected text"),
    ("string", 5, "the default is 5; expected text"),
    ("null", "null", 'the default is the text "null"; expected null, so null without quotes'),
    ("bytes", "\u0100", "expected text whose characters, \\u0000 to \\u00ff, are bytes"),
    (TWO, "abc", 'the default is the text "abc"; expected text of 2 characters, \\u0000 to \\u00ff, each one byte'),
    (TWO, "AP8=", "expected text of 2 characters"),
    (COINS, "\u7fff", "of a decimal of at most 4 digits"),
    (
        MONEY,
        "",
        'the default is the text ""; expected text whose characters, \\u0000 to \\u00ff, are bytes of a decimal',
    ),
    (ENUM, "BLUE", 'the default is the text "BLUE"; expected one of RED, GREEN'),
    (ENUM, 0, "the default is 0; expected one of RED, GREEN"),
    (DATE, "1970-01-02", 'the default is the text "1970-01-02"; expected a whole number of 32 bits'),
    (["null", "int"], "x", 'the default is the text "x"; expected null or a whole number of 32 bits'),
    (["int", "null"], "null", "expected a whole number of 32 bits or null, so null without quotes"),
    ([], 1, "expected none, for the union is empty"),
    (CARD, {}, "the default has no 'number', which has no default; expected an object"),
    (CARD, {"number": "1"}, "the default of 'number' is the text \"1\"; expected a whole number"),
    (CARD, {"number": 1, "no": 2}, "the default has the field 'no', which the record does not have"),
    ({"type": "array", "items": "int"}, [1, "2"], "the default of '[1]' is the text \"2\"; expected a whole number"),
    ({"type": "map", "values": "int"}, [], "the default is []; expected an object"),
]


def schema(*fields: tuple[Any, Any]) -> dict[str, Any]:
    described = [{"name": f"f{n}", "type": kind, "default": default} for n, (kind, default) in enumerate(fields)]
    return {"type": "record", "name": "Event", "fields": described}


@pytest.mark.parametrize(("kind", "default", "held"), FITTING)
def test_an_absent_field_is_its_default(kind: Any, default: Any, held: Any) -> None:
    declared = schema((kind, default))
    body = Converter(Schema.parse(json.dumps(declared), "event.avsc")).to_avro({}, "line 1")
    assert repr(fastavro.schemaless_reader(io.BytesIO(body), bare(declared))) == repr({"f0": held})


@pytest.mark.parametrize(("kind", "default", "said"), MISFITS)
def test_a_default_that_does_not_fit_is_named_with_its_field(kind: Any, default: Any, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Schema.parse(json.dumps(schema((kind, default))), "event.avsc")
    (problem,) = caught.value.problems
    assert str(problem).startswith("event.avsc: field 'f0': the default")
    assert said in str(problem)


def test_all_defaults_that_do_not_fit_are_reported_together() -> None:
    with pytest.raises(Misconfigured) as caught:
        Schema.parse(json.dumps(schema(("int", "0"), ("int", 0), (CARD, None))), "event.avsc")
    assert [problem.where for problem in caught.value.problems] == ["event.avsc: field 'f0'", "event.avsc: field 'f2'"]


def test_a_default_that_grows_with_each_enclosing_record_is_refused() -> None:
    kind: Any = {"type": "record", "name": "R0", "fields": [{"name": "x", "type": "string", "default": "x" * 10**5}]}
    for level in range(1, 12):
        fields = [{"name": "a", "type": kind, "default": {}}, {"name": "b", "type": f"R{level - 1}", "default": {}}]
        kind = {"type": "record", "name": f"R{level}", "fields": fields}
    with pytest.raises(Misconfigured, match="the default has 25600768 bytes; expected at most 16777216"):
        Schema.parse(json.dumps(kind), "event.avsc")


def test_an_allowed_but_probably_unintended_schema_is_a_concern() -> None:
    fields = [
        {"name": "at", "type": "long", "logicalType": "timestamp-millis"},
        {"name": "paid", "type": ["null", "bytes"], "logicalType": "decimal", "precision": 9, "scale": 2},
        {"name": "when", "type": {"type": "string", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"], "default": "null"},
        {"name": "fine", "type": {"type": "long", "logicalType": "timestamp-millis"}, "logicalType": "color"},
    ]
    read = Schema.parse(json.dumps({"type": "record", "name": "Event", "fields": fields}), "event.avsc")
    at, paid, when, note = read.concerns
    assert str(at) == (
        "event.avsc: field 'at': its logicalType 'timestamp-millis' is beside its type, where Avro ignores it; put "
        'it inside the type: {"type": "long", "logicalType": "timestamp-millis"}'
    )
    assert '{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}' in str(paid)
    assert "field 'when': the logicalType 'timestamp-millis' does not go with string, and is ignored" in str(when)
    assert "field 'note': the default is the text \"null\"; write null without quotes" in str(note)
