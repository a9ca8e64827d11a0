"""What stands before a body: nothing, or the single-object header of the Avro specification."""

from typing import Any

import pytest

from scorer.avro import Schema
from scorer.batch import Reason
from tests.avro.batches import decode, frame, only, schema_of

ZERO = 0xC15D213AA4D7A795
MARKER = b"\xc3\x01"
INTS = '{"name":"Event","type":"record","fields":[{"name":"f0","type":"int"}]}'  # in parsing canonical form


def crc_64_avro(text: str) -> int:
    """As the specification gives it, bit by bit."""
    crc = ZERO
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (ZERO if crc & 1 else 0)
    return crc


def framed(schema: Schema, body: bytes) -> bytes:
    return frame(body, schema, "single-object")


def verdict(schema: Schema, value: bytes) -> tuple[Reason, str]:
    return only(decode(schema, value, framing="single-object"))


def test_the_header_is_a_marker_and_the_fingerprint() -> None:
    assert crc_64_avro('"int"') == 0x7275D51A3F395C8F  # of the specification's own tests
    assert framed(schema_of("int"), b"\x02") == MARKER + crc_64_avro(INTS).to_bytes(8, "little") + b"\x02"
    assert frame(b"\x02", schema_of("int"), "none") == b"\x02"


def test_a_framed_value_is_read_at_its_body() -> None:
    schema = schema_of("int", "string")
    values = [framed(schema, body) for body in (b"\x02\x02a", b"\x04\x04bc")]
    events = decode(schema, *values, used=("f0",), texts=("f1",), framing="single-object")
    assert not events.rejected
    assert events.columns["f0"].values.tolist() == [1, 2]
    texts = events.columns["f1"]
    assert texts.starts is not None
    assert texts.ends is not None
    assert [events.data[slice(*ends)].tobytes() for ends in zip(texts.starts, texts.ends, strict=True)] == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"\x02", "02"),
        (MARKER, "c3 01"),
        (MARKER + b"\x00" * 7, "c3 01 00 00 00 00 00 00 00"),  # shorter than a header, whatever it begins with
        (b"\xc3\x02" + b"\x00" * 20, "c3 02 00 00 00 00 00 00 00 00"),
        (b"\x00\x00\x00\x00\x07" + b"\x02" * 20, "00 00 00 00 07 02 02 02 02 02"),  # as a schema registry frames
    ],
)
def test_a_value_without_a_header_is_bad_framing(value: bytes, found: str) -> None:
    schema = schema_of("int")
    expected = framed(schema, b"").hex(" ")
    detail = f"the value begins with {found} at byte 0; expected the 10 bytes {expected}"
    reason, said = verdict(schema, value)
    assert (reason, said.partition(";")[0], said.startswith(detail)) == (
        Reason.BAD_FRAMING,
        detail.partition(";")[0],
        True,
    )


@pytest.mark.parametrize("other", [schema_of("long"), schema_of(f1="int"), schema_of(["null", "int"])])
def test_the_fingerprint_of_another_schema_is_an_unknown_schema(other: Schema) -> None:
    schema = schema_of("int")
    reason, detail = verdict(schema, framed(other, b"\x02"))
    assert reason == Reason.UNKNOWN_SCHEMA
    ours, theirs = schema.fingerprint.hex(" "), other.fingerprint.hex(" ")
    assert detail == f"the schema's fingerprint at byte 2 is {theirs}; expected {ours}"


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"", Reason.TRUNCATED, "f0: an int begins at byte 10, and the value ends at byte 10; expected more bytes"),
        (b"\x80", Reason.TRUNCATED, "f0: an int begins at byte 10, and the value ends at byte 11; expected more bytes"),
        (b"\x02ab", Reason.TRAILING_BYTES, "the event ends at byte 11, and 2 more bytes follow; expected none"),
    ],
)
def test_a_body_is_decoded_after_its_header(body: bytes, reason: Reason, detail: str) -> None:
    assert verdict(schema_of("int"), framed(schema_of("int"), body)) == (reason, detail)


@pytest.mark.parametrize("kinds", [(), ("null",)])
def test_an_event_without_bytes_can_follow_a_header(kinds: tuple[Any, ...]) -> None:
    schema = schema_of(*kinds)
    assert not decode(schema, framed(schema, b""), framing="single-object").rejected
    assert verdict(schema, b"")[0] == Reason.EMPTY


def test_the_header_counts_towards_the_size_of_a_value() -> None:
    schema = schema_of("int")
    values = [framed(schema, b"\x02"), framed(schema, b"\x80\x01")]
    events = decode(schema, *values, framing="single-object", max_bytes=11)
    assert only(events) == (Reason.TOO_LARGE, "the value has 12 bytes; expected at most 11")
    assert events.rejected[0].row == 1
