import json
from collections.abc import Iterator
from typing import Any

import pytest

from scorer.avro import Converter, Salvage, Schema, single_object, unframed
from tests.avro.batches import frame, schema_of

CARD = {
    "type": "record",
    "name": "Card",
    "fields": [
        {"name": "number", "type": "long"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "limits", "type": {"type": "map", "values": ["null", "double", "string"]}},
    ],
}
SCHEMA = Schema.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Payment",
            "fields": [
                {"name": "id", "type": "string"},
                {"name": "card", "type": ["null", CARD]},
                {"name": "amount", "type": ["null", "double"]},
                {"name": "made", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "good", "type": "boolean"},
            ],
        }
    ),
    "payment.avsc",
)
EVENT = {
    "id": "p1",
    "card": {"number": 5, "tags": ["a", "bc"], "limits": {"day": 1.5, "none": None, "word": "z"}},
    "amount": None,
    "made": "2024-01-02T03:04:05.678Z",
    "good": True,
}
BODY = Converter(SCHEMA).to_avro(EVENT, "the test's")


@pytest.fixture
def salvage() -> Salvage:
    return Salvage(SCHEMA, unframed(SCHEMA))


def scalars(value: object) -> Iterator[object]:
    """The scalars of plain JSON, in their order, with the keys of maps and the names of fields."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item)
    else:
        yield value


def test_a_complete_event_is_read_completely(salvage: Salvage) -> None:
    assert salvage.read(BODY) == (EVENT, "")


def test_a_truncated_event_is_read_up_to_the_cut(salvage: Salvage) -> None:
    whole, before = list(scalars(EVENT)), -1
    for cut in range(1, len(BODY)):
        event, why = salvage.read(BODY[:cut])
        found = list(scalars(event))
        assert found == whole[: len(found)]
        assert len(found) >= before
        assert "byte" in why
        before = len(found)
    assert found == whole[:-2]


def test_the_position_and_the_reason_of_the_end_are_reported(salvage: Salvage) -> None:
    event, why = salvage.read(BODY[:4])
    assert (event, why) == (
        {"id": "p1", "card": {}},
        "card.number: a long begins at byte 4, and the value ends at byte 4; expected more bytes",
    )


@pytest.mark.parametrize(
    ("value", "event", "why"),
    [
        (b"", {}, "the value is null or has no bytes; expected an event"),
        (BODY[:3] + b"\x08", {"id": "p1"}, "card: branch 4 at byte 3; expected a union of 2 branches"),
        (b"\x04\xff\xfe" + BODY[3:], {}, "a string at byte 0 is not UTF-8; expected text"),
        (BODY[:-1] + b"\x07", {k: v for k, v in EVENT.items() if k != "good"}, "good: 7 at byte"),
        (BODY + b"more", EVENT, f"the event ends at byte {len(BODY)}, and 4 more bytes follow; expected none"),
    ],
)
def test_the_error_is_reported_and_the_rest_of_the_event_kept(
    salvage: Salvage, value: bytes, event: object, why: str
) -> None:
    found, said = salvage.read(value)
    assert found == event
    assert said.startswith(why)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 4},
            b"\x00",
            "at byte 1: a decimal of 0 bytes is not one",
        ),
        ({"type": "array", "items": "null"}, (b"\xd0\x0f" * 4 + b"\x00" * 2_000), "more than 2009 items in 2009 bytes"),
    ],
)
def test_a_value_that_cannot_be_shown_ends_the_event_and_not_the_command(kind: Any, value: bytes, why: str) -> None:
    schema = schema_of("int", kind)
    found, said = Salvage(schema, unframed(schema)).read(b"\x02" + value)
    assert found["f0"] == 1
    assert why in said


def test_the_framing_is_checked_first() -> None:
    salvage = Salvage(SCHEMA, single_object(SCHEMA))
    framed = frame(BODY, SCHEMA, "single-object")
    assert salvage.read(framed) == (EVENT, "")
    assert salvage.read(framed[:14])[0] == {"id": "p1", "card": {}}
    assert salvage.read(BODY)[0] == {}
    assert salvage.read(framed[:2] + bytes(8) + BODY)[1].startswith("the schema's fingerprint at byte 2")


def test_a_block_with_its_size_is_read_like_one_without(salvage: Salvage) -> None:
    at = BODY.index(b"\x04\x02a\x04bc\x00")
    sized = BODY[:at] + b"\x03\x0a\x02a\x04bc\x00" + BODY[at + 7 :]
    assert salvage.read(sized) == (EVENT, "")
