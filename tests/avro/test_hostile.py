"""Values made to hurt: each is refused for the right reason, at once, and without memory for what it promises."""

import faulthandler
import json
import os
import tracemalloc
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from scorer.avro import BadEvent, Converter, Schema
from scorer.batch import Reason
from tests.avro.batches import declared, decode, only, schema_of, varint
from tests.avro.reference import read

PATIENCE = 60  # seconds; each test takes far less than one
LONGS: Any = {"type": "array", "items": "long"}
TEXTS: Any = {"type": "map", "values": "string"}
ENUM: Any = {"type": "enum", "name": "Enum", "symbols": ["A", "B"]}
WIDE = ["null", "int", "string"]
UNIONS: tuple[Any, ...] = ["null", "int"], ["int", "null"], WIDE, ["null"]
MONEY: Any = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
NOTHING = {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}

HUGE, MOST, LEAST, MINUS_ONE = map(varint, (2**62, 2**63 - 1, -(2**63), -1))
TOO_LONG = b"\x80" * 10 + b"\x00", b"\xff" * 9 + b"\x02", b"\xff" * 500  # 11 bytes, 65 bits, and without an end


def cases() -> Iterator[tuple[Any, bytes, Reason]]:
    """Types, values, and why they are refused."""
    for kind, length in product(("string", "bytes", MONEY), (HUGE, MOST)):
        yield kind, length + b"abc", Reason.TRUNCATED
    for kind, length in product(("string", "bytes", MONEY), (LEAST, MINUS_ONE)):
        yield kind, length + b"abc", Reason.BAD_VALUE
    for kind, number in product(("int", "long", "string", "bytes", ENUM, *UNIONS, LONGS, TEXTS), TOO_LONG):
        yield kind, number, Reason.BAD_VALUE
    for kind, index in product((ENUM, *UNIONS), (HUGE, LEAST, MINUS_ONE, varint(3))):
        yield kind, index + b"\x00", Reason.BAD_VALUE
    for kind, count in product((LONGS, TEXTS), (HUGE, MOST, LEAST, varint(4), varint(-4))):
        yield kind, count + b"\x02\x02\x00", Reason.BAD_VALUE
    for kind, size in product((LONGS, TEXTS), (HUGE, MOST, varint(4))):
        yield kind, MINUS_ONE + size + b"\x00\x00\x00", Reason.TRUNCATED
    for kind, size in product((LONGS, TEXTS), (MINUS_ONE, LEAST, *TOO_LONG)):
        yield kind, MINUS_ONE + size + b"\x00\x00\x00", Reason.BAD_VALUE
    yield LONGS, b"\x03\x02\x02\x02\x00", Reason.BAD_VALUE  # two items in a block that says one byte
    yield LONGS, b"\x01\x06\x02\x02\x02\x00", Reason.BAD_VALUE  # one item in a block that says three
    yield TEXTS, b"\x01\x04\x00" + HUGE + b"\x00", Reason.TRUNCATED  # a string that leaves its block


def bury(kind: Any) -> tuple[Any, bytes]:
    """Put a type so deep into arrays, unions and maps as a schema can; with the bytes that stand before its value."""
    for _ in range(20):
        kind = {"type": "array", "items": [{"type": "map", "values": kind}, "null"]}
    return kind, b"\x02\x00\x02\x02k" * 20


@pytest.fixture(autouse=True)
def _patience(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A compiled kernel that hangs hears no signal: end the run, and say where it was."""
    with capfd.disabled():
        terminal = os.dup(2)
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(terminal)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("kind", "value", "reason"), list(cases()))
def test_a_claimed_size_is_neither_trusted_nor_allocated(
    kind: Any,
    value: bytes,
    reason: Reason,
    deep: bool,  # noqa: FBT001  parametrize passes it by name
) -> None:
    kind, before = bury(kind) if deep else (kind, b"")
    schema = schema_of(kind, "int")
    body = before + value
    for used in [(), *([("f0",)] if "f0" in schema.fields else [])]:
        assert read(declared(kind, "int"), body, set(used)) == reason
        tracemalloc.start()
        found, detail = only(decode(schema, body, used=(*used, "f1")))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found, "expected" in detail) == (reason, True), detail
        assert peak < 100_000


def test_items_without_bytes_cost_no_time() -> None:
    schema = schema_of({"type": "array", "items": NOTHING}, "bytes", "int")
    body = varint(10**7) * 20_000 + b"\x00" + varint(10**7) + b"\x00" * 10**7 + b"\x02"
    events = decode(schema, body, used=("f2",), max_bytes=2 * 10**7)
    assert not events.rejected
    assert events.columns["f2"].values[0] == 1


def test_items_without_bytes_are_not_shown() -> None:
    schema = schema_of({"type": "array", "items": NOTHING}, "bytes")
    with pytest.raises(BadEvent, match="more items than the event has bytes"):
        Converter(schema).to_json(varint(9000) * 20_000 + b"\x00" + varint(9000) + b"\x00" * 9000)
    assert Converter(schema).to_json(b"\x04\x00\x02a") == {"f0": [{"n": None}] * 2, "f1": "YQ=="}


def test_a_decimal_of_a_million_bytes_is_refused_before_it_is_converted() -> None:
    schema = schema_of(MONEY)
    long, padded = (varint(1_000_000) + content for content in (b"\x01" * 1_000_000, b"\x00" * 999_999 + b"\x19"))
    events = decode(schema, long, padded, used=("f0",), max_bytes=2_000_000)
    assert only(events)[0] == Reason.BAD_VALUE
    assert "more than 38 digits" in events.rejected[0].detail
    assert events.columns["f0"].values[1] == 0.25
    with pytest.raises(BadEvent, match="1 to 38 digits"):
        Converter(schema).to_json(long)
    assert Converter(schema).to_json(padded) == {"f0": "0.25"}


def test_many_nested_empty_blocks_are_read() -> None:
    kind: Any = "long"
    for _ in range(90):
        kind = {"type": "array", "items": kind}
    schema = schema_of(kind, "int")
    nested = varint(1) * 88 + varint(20_000) + b"\x00" * 20_000 + b"\x00" * 89
    events = decode(schema, nested + b"\x02", b"\x00\x02", used=("f1",), max_bytes=10**6)
    assert not events.rejected
    assert events.columns["f1"].values.tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_rejected_as_by_the_reference(seed: int) -> None:
    shape = declared(LONGS, TEXTS, WIDE, ENUM, MONEY, bury("string")[0], ["null", "double"])
    schema, random = Schema.parse(json.dumps(shape), "event.avsc"), np.random.default_rng(seed)
    bodies = [random.integers(0, random.choice([4, 256]), 200, np.uint8).tobytes() for _ in range(200)]
    found = {each.row: each.reason for each in decode(schema, *bodies, used=("f3", "f4")).rejected}
    verdicts = [read(shape, body, {"f3", "f4"}) for body in bodies]
    assert found == {row: verdict for row, verdict in enumerate(verdicts) if isinstance(verdict, Reason)}
