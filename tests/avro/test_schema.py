"""Schemas: what can be addressed, and how errors are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from scorer.avro import Schema
from scorer.batch import Field, Kind
from scorer.errors import Misconfigured


def record(*fields: Any, name: str = "Event", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(kind: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def parse(declared: Any) -> Schema:
    return Schema.parse(json.dumps(declared), "event.avsc")


def problem(text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        Schema.parse(text, "event.avsc")
    (only,) = caught.value.problems
    assert only.where.startswith("event.avsc")
    assert only.expected
    return str(only)


def logical(base: str, logical_type: Any, /, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": logical_type, **more}


KINDS = [
    ("null", Kind.FLOAT, 1),
    ("boolean", Kind.BOOLEAN, 1),
    ("int", Kind.INTEGER, 1),
    ("long", Kind.INTEGER, 1),
    ("float", Kind.FLOAT, 1),
    ("double", Kind.FLOAT, 1),
    ("string", Kind.TEXT, 1),
    ("bytes", Kind.BYTES, 1),
    ({"type": "fixed", "name": "F", "size": 2}, Kind.BYTES, 1),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, Kind.ENUM, 1),
    (logical("int", "date"), Kind.DATE, 1),
    (logical("int", "time-millis"), Kind.TIME, 1_000),
    (logical("long", "time-micros"), Kind.TIME, 1_000_000),
    (logical("long", "timestamp-millis"), Kind.TIMESTAMP, 1_000),
    (logical("long", "timestamp-micros"), Kind.TIMESTAMP, 1_000_000),
    (logical("long", "timestamp-nanos"), Kind.TIMESTAMP, 1_000_000_000),
    (logical("long", "local-timestamp-millis"), Kind.TIMESTAMP, 1_000),
    (logical("long", "local-timestamp-nanos"), Kind.TIMESTAMP, 1_000_000_000),
    (logical("string", "uuid"), Kind.TEXT, 1),
    (logical("fixed", "uuid", name="U", size=16), Kind.TEXT, 1),
    (logical("bytes", "decimal", precision=4, scale=2), Kind.DECIMAL, 1),
    (logical("fixed", "decimal", name="D", size=4, precision=9), Kind.DECIMAL, 1),
    # what the specification asks to ignore
    (logical("bytes", "decimal", precision=2, scale=3), Kind.BYTES, 1),
    (logical("bytes", "decimal"), Kind.BYTES, 1),
    (logical("bytes", "decimal", precision="4"), Kind.BYTES, 1),
    (logical("fixed", "decimal", name="D", size=4, precision=10), Kind.BYTES, 1),
    (logical("long", "decimal", precision=4), Kind.INTEGER, 1),
    (logical("fixed", "uuid", name="U", size=15), Kind.BYTES, 1),
    (logical("long", "date"), Kind.INTEGER, 1),
    (logical("int", "timestamp-millis"), Kind.INTEGER, 1),
    (logical("string", "color"), Kind.TEXT, 1),
    (logical("string", 7), Kind.TEXT, 1),
]


@pytest.mark.parametrize(("kind", "expected", "ticks"), KINDS)
def test_fields_have_their_kinds(kind: Any, expected: Kind, ticks: int) -> None:
    found = parse(record(field(kind))).fields["f"]
    assert (found.kind, found.ticks, found.nullable) == (expected, ticks, kind == "null")


def test_fields_have_their_paths_and_nullability() -> None:
    inner = record(field("int", "x"), field(["string", "null"], "y"), name="Inner")
    schema = parse(
        record(field(["null", inner], "a"), field("Inner", "b"), field([["double"]][0], "c"), field(["null"], "d"))
    )
    assert list(schema.fields) == ["a.x", "a.y", "b.x", "b.y", "c", "d"]
    assert [each.nullable for each in schema.fields.values()] == [True, True, False, True, False, True]
    assert schema.fields["c"] == Field("c", Kind.FLOAT)


def test_why_not_explains_an_unusable_field() -> None:
    inner = record(field("int", "number"), field({"type": "array", "items": "int"}, "past"), name="Card")
    schema = parse(
        record(
            field(["null", inner], "card"), field({"type": "map", "values": "int"}, "tags"), field("bytes", "raw"),
            field(["null", "int", "string"], "any"), field(record(name="None_"), "nothing"), field("int", "distance"),
        )
    )  # fmt: skip
    assert schema.why_not("distance") == ""
    assert schema.why_not("distanse") == "unknown field 'distanse'; did you mean 'distance'?"
    assert schema.why_not("card.numbr") == "unknown field 'card.numbr'; did you mean 'card.number'?"
    assert schema.why_not("zzz") == "unknown field 'zzz'"
    assert schema.why_not("card") == "'card' is a record; name a field in it, such as 'card.number'"
    assert "'card.past' is an array" in schema.why_not("card.past.x")
    assert "'tags' is a map" in schema.why_not("tags")
    assert "'any' is a union of 3 types" in schema.why_not("any")
    assert "'raw' is bytes" in schema.why_not("raw")
    assert schema.why_not("nothing") == "'nothing' is a record without fields"
    assert schema.why_not("distance.x") == "'distance' has no fields in it"


def test_names_are_resolved_in_their_namespaces() -> None:
    inner = {"type": "enum", "name": "Color", "symbols": ["RED"]}
    other = {"type": "fixed", "name": "b.Size", "size": 1}
    fields = {
        "one": inner,
        "two": "a.Color",
        "three": "Color",
        "four": other,
        "five": "b.Size",
        "six": {"type": "Color"},
    }
    outer = record(*(field(kind, name) for name, kind in fields.items()), namespace="a", aliases=["Old"])
    kinds = [each.kind for each in parse(outer).fields.values()]
    assert kinds == [Kind.ENUM, Kind.ENUM, Kind.ENUM, Kind.BYTES, Kind.BYTES, Kind.ENUM]
    assert "unknown type 'a.Size'" in problem(json.dumps(record(field(other, "x"), field("Size", "y"), namespace="a")))


def test_the_fingerprint_is_that_of_the_canonical_form() -> None:
    plain = record(field("int"), name="a.R")
    dressed = record(field(logical("int", "date", doc="d"), doc="x", default=1), name="R", namespace="a", doc="y")
    assert parse(plain).fingerprint == parse(dressed).fingerprint
    primitive = parse(record(field("int"), name="R")).fingerprint
    assert len(primitive) == 8
    assert primitive != parse(plain).fingerprint


@pytest.mark.parametrize(
    "kind",
    ["Event", ["null", "Event"], {"type": "array", "items": "Event"}, {"type": "map", "values": ["int", "Event"]},
     record(field("Event"), name="Inner")],
)  # fmt: skip
def test_a_recursive_schema_is_refused(kind: Any) -> None:
    assert "'Event' contains itself; recursive schemas are not supported" in problem(json.dumps(record(field(kind))))


def nested(depth: int) -> str:
    inner = '{"type":"array","items":' * depth + '"int"' + "}" * depth
    return '{"type":"record","name":"E","fields":[{"name":"f","type":' + inner + "}]}"


@pytest.mark.parametrize("depth", [101, 300, 5_000, 100_000])
def test_deep_nesting_is_an_error_and_not_a_crash(depth: int) -> None:
    assert "nested too deep" in problem(nested(depth))
    assert "nested too deep" in problem("[" * depth + "]" * depth) or depth < 500


def test_reasonably_deep_nesting_is_read() -> None:
    assert Schema.parse(nested(90), "event.avsc").why_not("f").startswith("'f' is an array")


def test_a_schema_that_grows_without_end_is_refused() -> None:
    kind: Any = record(field("int"), name="R0")
    for level in range(1, 40):
        kind = record(field(kind, "a"), field(f"R{level - 1}", "b"), name=f"R{level}")
    assert "too large" in problem(json.dumps(kind))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ('"int"', "the top level is int; the schema of an event is a record"),
        ('[{"type":"record","name":"R","fields":[]}]', "the top level is [record 'R']"),
        ('{"type":"enum","name":"E","symbols":["A"]}', "the schema of an event is a record"),
        ("{}", "{} is not a type"),
        ('{"type":"record","fields":[]}', "a type named null"),
        ('{"type":"record","name":"R"}', "'R' has the fields null"),
        ('{"type":"record","name":"R","fields":[{"type":"int"}]}', 'fields[0] is {"type": "int"}'),
        ('{"type":"record","name":"R","fields":["int"]}', 'fields[0] is "int"'),
        (json.dumps(record({"name": "a"})), "field 'a': no 'type'"),
        (json.dumps(record(field("strng"))), "field 'f': unknown type 'strng'"),
        (json.dumps(record(field("int", "a.b"))), "a name: expected letters"),
        (json.dumps(record(field("int"), field("int"))), "has the field 'f' twice"),
        (json.dumps(record(field(["int", "int"]))), "a union with 'int' twice"),
        (json.dumps(record(field(["int", ["null"]]))), "a union directly inside a union"),
        (json.dumps(record(field({"type": "fixed", "name": "F", "size": -1}))), "has the size -1"),
        (json.dumps(record(field({"type": "fixed", "name": "F"}))), "has the size null"),
        (json.dumps(record(field({"type": "enum", "name": "E", "symbols": ["A", "A"]}))), "has the symbols"),
        (json.dumps(record(field({"type": "enum", "name": "E", "symbols": ["a b"]}))), "has the symbols"),
        (json.dumps(record(field({"type": "array"}))), "no 'items'"),
        (json.dumps(record(field({"type": "map"}))), "no 'values'"),
        (json.dumps(record(field({"type": ["null", "int"]}))), "is not a type"),
        (json.dumps(record(field(record(name="Event")))), "'Event' is declared twice"),
        (json.dumps(record(field("int", default="x"))), "field 'f': the default is the text \"x\""),
        (json.dumps(record(field("double", default=10**400))), "expected a number"),
    ],
)
def test_a_wrong_schema_is_refused_with_location_and_reason(text: str, expected: str) -> None:
    assert expected in problem(text)


def test_a_whole_number_can_be_the_default_of_a_double() -> None:
    assert parse(record(field({"type": "double"}, default=0))).fields["f"].kind == Kind.FLOAT


def test_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.avsc", tmp_path / "bad.avsc"
    good.write_text("\ufeff" + json.dumps(record(field("int"))), "utf-8")
    bad.write_bytes(b'{"\xff')
    assert list(Schema.load(good).fields) == ["f"]
    for path, what in ((tmp_path / "none.avsc", "No such file"), (tmp_path, "directory"), (bad, "not UTF-8 at byte 2")):
        with pytest.raises(Misconfigured, match=what):
            Schema.load(path)
