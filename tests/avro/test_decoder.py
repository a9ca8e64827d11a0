"""What the decoder says of single values, byte by byte."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scorer.avro import Decoder, Wanted, unframed
from scorer.batch import NO_TIME, Events, Reason, Records
from tests.avro.batches import decode, only, records, schema_of, varint


def ids(events: Events) -> list[str]:
    pairs = zip(events.id_starts.tolist(), events.id_ends.tolist(), strict=True)
    return [events.data[start:end].tobytes().decode() for start, end in pairs]


LONGS = {"type": "array", "items": "long"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
BAD = [
    (("int",), b"\x80\x80\x80\x80\x10", "2147483648 at byte 0; expected an int, -2147483648 to 2147483647"),
    (("int",), b"\x81\x80\x80\x80\x10", "-2147483649 at byte 0; expected an int"),
    (("long",), b"\xff" * 9 + b"\x02", "a number of more than 64 bits at byte 0; expected a long"),
    (("long",), b"\x80" * 20 + b"\x00", "a number of more than 64 bits at byte 0"),
    (("boolean",), b"\x02", "2 at byte 0; expected a boolean, 0 or 1"),
    (({"type": "enum", "name": "E", "symbols": ["A", "B"]},), b"\x04", "symbol 2 at byte 0; expected an enum of 2"),
    (({"type": "enum", "name": "E", "symbols": ["A", "B"]},), b"\x01", "symbol -1 at byte 0"),
    ((["null", "int"],), b"\x04", "branch 2 at byte 0; expected a union of 2 branches"),
    ((["null", "int"],), b"\x01\x02", "branch -1 at byte 0"),
    ((["null", "int", "string"],), b"\x06", "branch 3 at byte 0; expected a union of 3 branches"),
    ((["int"],), b"\x02\x02", "branch 1 at byte 0; expected a union of 1 branches"),
    ((["null"],), b"\x02", "branch 1 at byte 0"),
    (("string",), b"\x01", "a negative length at byte 0; expected a string"),
    (("int", "bytes"), b"\x00\x01", "f1: a negative length at byte 1; expected bytes"),
    ((LONGS,), b"\x08\x02\x02\x00", "a block of 4 items at byte 0, where 3 bytes are left; expected at most 3"),
    ((LONGS,), b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "a block of 9223372036854775807 items at byte 0"),
    ((LONGS,), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x00", "a block of 9223372036854775808 items at byte 0"),
    ((LONGS,), b"\x01\x04\x02\x00\x00", "the items of a block end at byte 3; expected them to end where"),
    ((LONGS,), b"\x03\x02\x02\x02\x00", "the items of a block end at byte 4"),
    ((LONGS,), b"\x01\x01\x02\x00", "a negative length at byte 0; expected an array"),
]


@pytest.mark.parametrize(("types", "value", "detail"), BAD)
def test_structure_is_checked_in_unused_fields_too(types: tuple[Any, ...], value: bytes, detail: str) -> None:
    reason, found = only(decode(schema_of(*types), value))
    assert reason == Reason.BAD_VALUE
    assert found.startswith("f")
    assert detail in found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", b"\x80"),
        ("float", b"\x00\x00\x00"),
        ("double", b"\x00" * 7),
        ("string", b"\x0aab"),
        ("bytes", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),  # 2**63 - 1 bytes
        ("string", b"\x80\x80\x80\x80\x80\x80\x80\x80\x40ab"),  # 2**62 bytes
        ({"type": "fixed", "name": "F", "size": 3}, b"ab"),
        ({"type": "map", "values": "int"}, b"\x02\x02a"),
        (LONGS, b"\x01\x0a\x02\x00"),  # a block that says it is longer than the value
        (["null", "int"], b"\x02"),
    ],
)
def test_a_value_that_ends_too_early_is_truncated(kind: Any, value: bytes) -> None:
    reason, detail = only(decode(schema_of(kind), value))
    assert reason == Reason.TRUNCATED
    assert detail.startswith(("f0: ", "f0[]: "))
    assert f"the value ends at byte {len(value)}; expected more bytes" in detail


def test_a_nested_field_is_named_by_its_path() -> None:
    inner = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "int"}]}
    assert only(decode(schema_of(card=inner), b"\x80"))[1].startswith("card.number: an int begins at byte 0")
    items = schema_of(cards={"type": "array", "items": inner})
    assert only(decode(items, b"\x02\x80"))[1].startswith("cards[].number: an int begins at byte 1")


def test_trailing_bytes_are_counted() -> None:
    expected = Reason.TRAILING_BYTES, "the event ends at byte 1, and 2 more bytes follow; expected none"
    assert only(decode(schema_of("int"), b"\x02\x00\x00")) == expected


def test_a_value_without_bytes_is_empty_even_if_its_schema_needs_none() -> None:
    assert only(decode(schema_of(), b""))[0] == Reason.EMPTY
    assert only(decode(schema_of("null"), b""))[0] == Reason.EMPTY
    assert only(decode(schema_of("int"), b""))[0] == Reason.EMPTY


def test_size_is_checked_before_anything_else() -> None:
    events = decode(schema_of("bytes"), b"\x04ab", b"\x06abc", max_bytes=3)
    assert only(events) == (Reason.TOO_LARGE, "the value has 4 bytes; expected at most 3")
    assert events.rejected[0].row == 1


def test_text_is_checked_only_where_it_is_used() -> None:
    value = b"\x02\xff\x02a"
    assert not decode(schema_of("string", "string"), value, used=("f1",)).rejected
    assert only(decode(schema_of("string", "string"), value, used=("f0",)))[0] == Reason.BAD_VALUE


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf",
     b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"a\xc3a",
     b"\xe2\x28\xa1"],
)  # fmt: skip
def test_text_is_strict_utf_8(text: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        text.decode()
    good = "aé€😀\ud7ff\ue000\U0010ffff".encode()
    events = decode(schema_of("string"), *(bytes([2 * len(each)]) + each for each in (text, good)), used=("f0",))
    assert only(events) == (Reason.BAD_VALUE, "f0: a string at byte 0 is not UTF-8; expected text")
    assert events.rejected[0].row == 0


def test_decimals_are_checked_only_where_they_are_used() -> None:
    schema = schema_of(MONEY, MONEY)
    values = [b"\x00\x02\x01", b"\x04\x27\x10\x02\x01", b"\x04\x27\x0f\x02\x01", b"\x0a\xff\xff\xff\xd8\xf1\x02\x01"]
    assert not decode(schema, *values, used=("f1",)).rejected
    events = decode(schema, *values, used=("f0", "f1"))
    assert [(each.row, each.reason) for each in events.rejected] == [(0, Reason.BAD_VALUE), (1, Reason.BAD_VALUE)]
    assert "f0: a decimal at byte 1 has no bytes" in events.rejected[0].detail
    assert "f0: a decimal at byte 1 has more than 4 digits" in events.rejected[1].detail
    assert events.columns["f0"].values[2:].tolist() == [99.99, -99.99]
    assert events.columns["f1"].null.tolist() == [True, True, False, False]


@pytest.mark.parametrize("number", [2**53 - 1, 2**53 + 1, -(2**63), 10**37 + 1, -(10**38) + 1])
def test_a_decimal_is_the_nearest_float(number: int) -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 21}
    content = number.to_bytes(20, "big", signed=True)
    events = decode(schema_of(kind), bytes([40]) + content, used=("f0",))
    assert events.columns["f0"].values[0] == number / 10**21


def test_a_decimal_beyond_every_float_is_infinite() -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 400}
    content = (-(10**399)).to_bytes(200, "big", signed=True)
    assert decode(schema_of(kind), b"\x90\x03" + content, used=("f0",)).columns["f0"].values[0] == -np.inf


@pytest.mark.parametrize(
    ("scale", "expected"), [(0, np.inf), (2_409_000, 0.0), (2**31 - 1, 0.0), (2_408_238, 6.154894178897765)], ids=str
)
def test_a_decimal_as_long_as_an_event_is_read_in_linear_time(scale: int, expected: float) -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 2**31 - 1, "scale": scale}
    content = varint(10**6) + b"\x11" * 10**6
    value = decode(schema_of(kind), content, used=("f0",), max_bytes=2 * 10**6).columns["f0"].values[0]
    assert value == expected


def test_a_rejected_row_is_null_everywhere_and_its_neighbours_are_untouched() -> None:
    schema = schema_of("int", "string", ["null", "double"], "long")
    good = b"\x02\x02a\x00\x04"
    events = decode(schema, good, good[:-1], good, used=("f0", "f1", "f2", "f3"), texts=("f1",))
    assert only(events)[0] == Reason.TRUNCATED
    assert [events.columns[path].null.tolist() for path in ("f0", "f1", "f3")] == [[False, True, False]] * 3
    assert events.columns["f3"].values[[0, 2]].tolist() == [2, 2]


def test_blocks_of_every_form_are_read() -> None:
    schema = schema_of({"type": "map", "values": LONGS}, "int")
    blocks = b"\x01\x0a\x02k\x02\x08\x00\x02\x02l\x01\x04\x80\x01\x01\x02\x04\x00\x00"
    events = decode(schema, blocks + b"\x0e", used=("f1",))
    assert not events.rejected
    assert events.columns["f1"].values[0] == 7


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("string", b"\x04\xc3\xa9", "é"),
        ("int", b"\x01", "-1"),
        ("long", b"\xff" * 9 + b"\x01", "-9223372036854775808"),
        ("long", b"\xfe" + b"\xff" * 8 + b"\x01", "9223372036854775807"),
        ("long", b"\x00", "0"),
        ("boolean", b"\x01", "true"),
        ("boolean", b"\x00", "false"),
        ("double", b"\x9a\x99\x99\x99\x99\x99\xb9\x3f", "0.1"),
        ("float", b"\xcd\xcc\xcc\x3d", "0.10000000149011612"),
        ({"type": "enum", "name": "E", "symbols": ["AA", "B"]}, b"\x02", "B"),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, bytes(range(0, 256, 16)),
         "00102030-4050-6070-8090-a0b0c0d0e0f0"),
        (MONEY, b"\x04\xfb\x1e", "-12.50"),
        ({"type": "int", "logicalType": "date"}, b"\x02", "1"),
        ({"type": "long", "logicalType": "timestamp-micros"}, b"\x03", "-2"),
        (["null", "string"], b"\x00", "flights-7-1000000000000"),
        ("null", b"", "flights-7-1000000000000"),
    ],
)  # fmt: skip
def test_any_scalar_can_be_the_id(kind: Any, value: bytes, text: str) -> None:
    assert ids(decode(schema_of(kind, "int"), value + b"\x00", id_field="f0")) == [text]


def test_an_unset_id_defaults_to_the_position() -> None:
    schema = schema_of(["string", "null"])
    two = Records(
        **{slot: getattr(records([b"\x02", b"\x00\x02x", b"\x02"], ("a", "bé")), slot) for slot in Records.__slots__}
    )
    assert ids(Decoder(Wanted(schema, id_field="f0"), unframed(schema), 9).decode(two)) == [
        "a-7-1000000000000", "x", "a-7-1000000000002",
    ]  # fmt: skip
    assert ids(Decoder(Wanted(schema), unframed(schema), 9).decode(two))[1] == "bé-7-1000000000001"


@pytest.mark.parametrize(
    ("unit", "ticks", "milliseconds"),
    [("millis", -1, -1), ("micros", -1, -1), ("micros", 1999, 1), ("nanos", -1_000_001, -2), ("nanos", 5_999_999, 5)],
)
def test_time_is_in_milliseconds_rounded_down(unit: str, ticks: int, milliseconds: int) -> None:
    schema = schema_of(["null", {"type": "long", "logicalType": f"timestamp-{unit}"}])
    zigzag = ticks * 2 if ticks >= 0 else -ticks * 2 - 1
    varint = bytes([zigzag & 0x7F | 0x80, zigzag >> 7 & 0x7F | 0x80, zigzag >> 14 & 0x7F | 0x80, zigzag >> 21])
    events = decode(schema, b"\x02" + varint, b"\x00", time_field="f0")
    assert events.time.tolist() == [milliseconds, 1_357_000_000_001]


@pytest.mark.parametrize("timestamp", [-1, -5])
def test_an_event_of_a_record_without_a_timestamp_has_no_time(timestamp: int) -> None:
    schema = schema_of(["null", {"type": "long", "logicalType": "timestamp-millis"}])
    batch = replace(records([b"\x02" + varint(-1), b"\x00"]), timestamp=np.full(2, timestamp))
    assert Decoder(Wanted(schema, time_field="f0"), unframed(schema), 9).decode(batch).time.tolist() == [-1, NO_TIME]
    assert Decoder(Wanted(schema), unframed(schema), 9).decode(batch).time.tolist() == [NO_TIME, NO_TIME]


def test_an_empty_batch_is_decoded() -> None:
    events = decode(schema_of("int", MONEY), used=("f0", "f1"), id_field="f1", time_field=None)
    assert (events.rows, len(events.rejected), len(events.id_ends)) == (0, 0, 0)
