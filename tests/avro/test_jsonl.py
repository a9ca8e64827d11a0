"""Events as plain JSON, to Avro and back; fastavro, knowing no logical types, says what was written."""

import io
import json
import math
from typing import Any
from uuid import UUID

import fastavro
import pytest

from scorer.avro import BadEvent, Converter, Schema
from tests.avro.batches import declared, schema_of, varint
from tests.avro.schemas import bare

DATE = {"type": "int", "logicalType": "date"}
MILLIS_OF_DAY = {"type": "int", "logicalType": "time-millis"}
MICROS_OF_DAY = {"type": "long", "logicalType": "time-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
NANOS = {"type": "long", "logicalType": "timestamp-nanos"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
COINS = {"type": "fixed", "name": "Coins", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 3}
UUID_TEXT = {"type": "string", "logicalType": "uuid"}
UUID_BYTES = {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}
ENUM = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}
TWO_BYTES = {"type": "fixed", "name": "Two", "size": 2}
LONGS = {"type": "array", "items": "long"}
ENDLESS_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 2**31 - 1}
CARD = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "int"}]}
ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

ACCEPTED: list[tuple[Any, Any, Any]] = [  # a type, plain JSON, and what Avro holds
    (["null"], None, None),
    ("boolean", True, True),
    ("int", -(2**31), -(2**31)),
    ("int", 7.0, 7),
    ("long", 2**63 - 1, 2**63 - 1),
    ("double", 2, 2.0),
    ("double", 0.1, 0.1),
    ("double", "-Infinity", -math.inf),
    ("float", 0.5, 0.5),
    ("string", "grüße \x00", "grüße \x00"),
    ("bytes", "AP8=", b"\x00\xff"),
    (TWO_BYTES, "AP8=", b"\x00\xff"),
    (ENUM, "GREEN", "GREEN"),
    (DATE, "1970-01-02", 1),
    (DATE, "1969-12-31", -1),
    (DATE, 15706, 15706),
    (MILLIS_OF_DAY, "00:00:01.25", 1250),
    (MILLIS_OF_DAY, "23:59:59.999999", 86_399_999),
    (MILLIS_OF_DAY, 5, 5),
    (MICROS_OF_DAY, "12:30", 45_000_000_000),
    (MICROS_OF_DAY, "00:00:00.000001", 1),
    (MILLIS, "2013-01-01T00:00:00Z", 1_356_998_400_000),
    (MILLIS, "2013-01-01", 1_356_998_400_000),
    (MILLIS, "2013-01-01 05:00:00.5+05:00", 1_356_998_400_500),
    (MILLIS, "1969-12-31T23:59:59.999", -1),
    (MILLIS, 1_356_998_400_000, 1_356_998_400_000),
    (MICROS, "1970-01-01T00:00:00.000001Z", 1),
    (NANOS, "1970-01-01T00:00:00.123456789Z", 123_456_789),
    (NANOS, "2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    (LOCAL, "1970-01-01T00:00:01", 1000),
    (MILLIS, "1970-01-01T00:00:00+01:00:30.5", -3_630_500),
    (MICROS, "1970-01-01T00:00:00.25-00:00:01.000001", 1_250_001),
    (NANOS, "1970-01-01T00:00:01,123456789+00:00:01", 123_456_789),
    (NANOS, "19700101T00-00:00:00.000000999", 0),
    (MILLIS, "1970-W01-4", 0),
    (["null", {"type": "map", "values": "int"}], {"map": 1}, {"map": 1}),
    (MONEY, "1234.56", b"\x01\xe2\x40"),
    (MONEY, 1234.56, b"\x01\xe2\x40"),
    (MONEY, "-1.2e1", b"\xfb\x50"),
    (MONEY, 0.1, b"\x0a"),
    (MONEY, -3, b"\xfe\xd4"),
    (MONEY, "0", b"\x00"),
    (COINS, "-0.001", b"\xff\xff\xff\xff"),
    (UUID_TEXT, ID, ID),
    (UUID_BYTES, ID, UUID(ID).bytes),
    (["null", "int"], None, None),
    (["null", "int"], 5, 5),
    (["int", "null"], None, None),
    (["int", "null"], 5, 5),
    ([MILLIS, "null"], "1970-01-01T00:00:00.001Z", 1),
    (["null", MONEY], 1, b"\x64"),
    (["null", CARD], {"number": 5}, {"number": 5}),
    ([CARD, "null"], None, None),
    (["null", "string", "long", "double"], 5, 5),
    (["null", "string", "long", "double"], 5.5, 5.5),
    (["null", "string", "long", "double"], "5", "5"),
    ([{"type": "map", "values": "int"}, CARD], {"number": 5}, {"number": 5}),
    ([{"type": "map", "values": "int"}, CARD], {"other": 5}, {"other": 5}),
    ({"type": "array", "items": ["null", "int"]}, [1, None, 2], [1, None, 2]),
    ({"type": "array", "items": "int"}, [], []),
    ({"type": "map", "values": MILLIS}, {"": "1970-01-01T00:00:00Z", "b": 2}, {"": 0, "b": 2}),
]

BASE64, MONEYS = "base64 text", "a decimal as text or a number, of at most 6 digits, 2 after the point"
REFUSED: list[tuple[Any, Any, str]] = [  # a type, plain JSON, and what is said
    ("null", 0, "f0: 0; expected null"),
    ("boolean", 1, "f0: 1; expected true or false"),
    ("boolean", None, "f0: null; expected true or false"),
    ("int", True, "f0: true; expected a whole number of 32 bits"),
    ("int", 2**31, "f0: 2147483648; expected a whole number of 32 bits"),
    ("int", 0.5, "f0: 0.5; expected a whole number of 32 bits"),
    ("int", "5", 'f0: "5"; expected a whole number of 32 bits'),
    ("long", -(2**63) - 1, "f0: -9223372036854775809; expected a whole number of 64 bits"),
    ("long", math.inf, "f0: Infinity; expected a whole number of 64 bits"),
    ("long", math.nan, "f0: NaN; expected a whole number of 64 bits"),
    ("double", "1.5", 'f0: "1.5"; expected a number'),
    ("double", 10**400, "expected a number"),
    ("float", 1e39, "f0: 1e+39; expected a number that a float32 holds"),
    ("string", 5, "f0: 5; expected text"),
    ("string", "\ud800", r'f0: "\ud800"; expected text'),
    ("bytes", "A", f'f0: "A"; expected {BASE64}'),
    ("bytes", "AA==é", f"expected {BASE64}"),
    (TWO_BYTES, "AA==", f'f0: "AA=="; expected {BASE64} of 2 bytes'),
    (ENUM, "BLUE", 'f0: "BLUE"; expected one of RED, GREEN'),
    (ENUM, 0, "f0: 0; expected one of RED, GREEN"),
    (DATE, "2013-02-30", 'f0: "2013-02-30"; expected a date as ISO 8601 text, or a number of days'),
    (DATE, "2013-01-01T00:00:00", "expected a date as ISO 8601 text"),
    (MILLIS_OF_DAY, "24:00:01", 'f0: "24:00:01"; expected a time as ISO 8601 text, or a number of millis'),
    (MICROS_OF_DAY, "12:00Z", "expected a time as ISO 8601 text, or a number of micros"),
    (MILLIS, "soon", 'f0: "soon"; expected a timestamp as ISO 8601 text, or a number of millis'),
    (MILLIS, "", 'f0: ""; expected a timestamp'),
    (NANOS, "2262-04-11T23:47:16.854775808Z", "expected a timestamp as ISO 8601 text, or a number of nanos"),
    (NANOS, "1600-01-01", "expected a timestamp"),
    (MONEY, "12345.67", f'f0: "12345.67"; expected {MONEYS}'),
    (MONEY, "0.001", f'f0: "0.001"; expected {MONEYS}'),
    (MONEY, "1e999999999", f"expected {MONEYS}"),
    (MONEY, "1e-999999999", f"expected {MONEYS}"),
    (MONEY, "NaN", f'f0: "NaN"; expected {MONEYS}'),
    (MONEY, math.inf, f"f0: Infinity; expected {MONEYS}"),
    (UUID_TEXT, "0f1e", 'f0: "0f1e"; expected the text of a UUID'),
    (UUID_BYTES, "AAAAAAAAAAAAAAAAAAAAAA==", "expected the text of a UUID"),
    (["null", "int"], "x", 'f0: "x"; expected a whole number of 32 bits'),
    ([MILLIS, "null"], "x", "expected a timestamp as ISO 8601 text"),
    (["null", "int", ENUM], "x", 'f0: "x"; expected null or a whole number of 32 bits or one of RED, GREEN'),
    (["null", CARD], {"number": "x"}, 'f0.number: "x"; expected a whole number of 32 bits'),
    (CARD, {}, "f0.number: absent; expected a whole number of 32 bits, since there is no default"),
    (CARD, {"number": 1, "nmber": 2}, "f0: unknown field 'nmber'; did you mean 'number'?"),
    (CARD, [1], "f0: [1]; expected an object"),
    ({"type": "array", "items": CARD}, [{"number": 1}, {}], "f0[1].number: absent; expected a whole number"),
    ({"type": "array", "items": "int"}, {}, "f0: {}; expected a list"),
    ({"type": "map", "values": "int"}, {"a b": "x"}, "f0['a b']: \"x\"; expected a whole number"),
    ({"type": "map", "values": "int"}, [], "f0: []; expected an object"),
    (
        ["null", "double"],
        {"double": 1.5},
        "f0: {\"double\": 1.5}; expected the value alone, 1.5: 'double' around it is",
    ),
    (
        ["null", CARD],
        {"Card": {"number": 5}},
        "expected the value alone, {\"number\": 5}: 'Card' around it is Avro's JSON",
    ),
    (
        ["null", "int", ENUM],
        {"Color": "RED"},
        "expected the value alone, \"RED\": 'Color' around it is Avro's JSON enc",
    ),
    (["null", LONGS], {"array": [1]}, "expected the value alone, [1]: 'array' around it"),
    (["null", {"type": "map", "values": "int"}], {"map": {"a": 1}}, "expected the value alone, {\"a\": 1}: 'map'"),
    ({"type": "array", "items": ["null", "long"]}, [{"long": 1}], 'f0[0]: {"long": 1}; expected the value alone, 1'),
    (ENDLESS_MONEY, "1e999999999", "expected a decimal as text or a number"),
    (MILLIS, "2024.5-01-01T00:00:00Z", "expected a timestamp as ISO 8601 text"),
    (MILLIS, "2024-01-01T23,32:35", "expected a timestamp as ISO 8601 text"),
    (MILLIS_OF_DAY, "23,32:35", "expected a time as ISO 8601 text"),
]


def written(schema: Any, event: Any) -> Any:
    """What fastavro reads of what plain JSON becomes."""
    body = Converter(Schema.parse(json.dumps(schema), "event.avsc")).to_avro(event, "line 3")
    stream = io.BytesIO(body)
    found = fastavro.schemaless_reader(stream, bare(schema))
    assert stream.tell() == len(body)
    return found


@pytest.mark.parametrize(("kind", "plain", "held"), ACCEPTED)
def test_plain_json_is_written_as_its_type_and_read_back(kind: Any, plain: Any, held: Any) -> None:
    assert repr(written(declared(kind), {"f0": plain})) == repr({"f0": held})  # 5 is not 5.0
    converter = Converter(schema_of(kind))
    body = converter.to_avro({"f0": plain}, "line 3")
    back = json.loads(json.dumps(converter.to_json(body), allow_nan=False))
    assert converter.to_avro(back, "line 4") == body


@pytest.mark.parametrize(("kind", "plain", "said"), REFUSED)
def test_a_value_that_does_not_fit_is_reported_with_the_expectation(kind: Any, plain: Any, said: str) -> None:
    with pytest.raises(BadEvent) as caught:
        Converter(schema_of(kind)).to_avro({"f0": plain}, "events.jsonl, line 3")
    (problem,) = caught.value.problems
    assert str(problem).startswith("events.jsonl, line 3: f0")
    assert said in str(problem)


@pytest.mark.parametrize(
    ("kind", "held", "shown"),
    [
        (DATE, 15706, "2013-01-01"),
        (MILLIS_OF_DAY, 1250, "00:00:01.250"),
        (MICROS_OF_DAY, 45_000_000_000, "12:30:00.000000"),
        (MILLIS, -1, "1969-12-31T23:59:59.999Z"),
        (NANOS, 1, "1970-01-01T00:00:00.000000001Z"),
        (LOCAL, 1000, "1970-01-01T00:00:01.000"),
        (MONEY, b"\xfb\x50", "-12.00"),
        (COINS, b"\x00\x00\x00\x01", "0.001"),
        (UUID_BYTES, UUID(ID).bytes, ID),
        ("bytes", b"\x00\xff", "AP8="),
        ("double", math.nan, "NaN"),
        ("float", -math.inf, "-Infinity"),
        (ENUM, "GREEN", "GREEN"),
        (DATE, 2**31 - 1, 2**31 - 1),  # beyond the year 9999, as are those that follow: numbers
        (MILLIS, 2**62, 2**62),
        (MILLIS_OF_DAY, 86_400_000, 86_400_000),
    ],
)
def test_avro_values_are_shown_as_plain_json(kind: Any, held: Any, shown: Any) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, bare(declared(kind)), {"f0": held})
    assert Converter(schema_of(kind)).to_json(out.getvalue()) == {"f0": shown}


@pytest.mark.parametrize("event", [[], "x", 5, None])
def test_an_event_must_be_an_object(event: Any) -> None:
    with pytest.raises(BadEvent, match=r"^line 3: .*; expected an object$"):
        Converter(schema_of("int")).to_avro(event, "line 3")


def test_an_absent_field_is_its_default_or_null() -> None:
    defaults: list[tuple[Any, Any, Any]] = [  # a type, its default in the schema, and what Avro holds
        ("int", 5, 5), ("double", 1, 1.0), ("string", "é", "é"), ("bytes", "\x00\u00ff", b"\x00\xff"),
        ({**TWO_BYTES}, "ab", b"ab"), ({**ENUM}, "GREEN", "GREEN"), (["null", "int"], None, None),
        (["int", "null"], 5, 5), ({**CARD}, {"number": 7}, {"number": 7}), (MONEY, "\x64", b"\x64"),
        ({"type": "array", "items": "int"}, [1], [1]), ({"type": "map", "values": "int"}, {"a": 1}, {"a": 1}),
    ]  # fmt: skip
    fields = [{"name": f"f{n}", "type": kind, "default": default} for n, (kind, default, _) in enumerate(defaults)]
    schema = {"type": "record", "name": "Event", "fields": [*fields, {"name": "last", "type": ["string", "null"]}]}
    assert written(schema, {}) == {f"f{n}": held for n, (_, _, held) in enumerate(defaults)} | {"last": None}


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("int", b"", "no bytes"),
        ("int", b"\x80", "f0: an int begins at byte 0, and the value ends at byte 1"),
        ("int", b"\x02\x02", "1 more byte follows"),
        ("string", b"\x02\xff", "not UTF-8"),
        (MONEY, b"\x00", "a decimal of 0 bytes is not one of 1 to 6 digits"),
        (ENDLESS_MONEY, varint(10**6) + b"\x11" * 10**6, "a decimal of more than 10000 digits, too many to show"),
        (MONEY, b"\x06\x0f\x42\x40", "a decimal of 3 bytes is not one of 1 to 6 digits"),
    ],
)
def test_an_invalid_body_is_not_shown(kind: Any, body: bytes, said: str) -> None:
    with pytest.raises(BadEvent, match=said):
        Converter(schema_of(kind)).to_json(body)
