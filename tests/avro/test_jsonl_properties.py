"""Plain JSON of random events means what fastavro reads of them, and becomes it again."""

import io
import json
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import BadEvent, Converter, Schema
from scorer.avro.json import jsonl
from scorer.avro.json.usual import Unusual, encoder
from scorer.avro.values.instants import parse_timestamp
from scorer.avro.values.plain import Misfit
from tests.avro.schemas import Case, bare, cases

_UNITS = {"": "D", "millis": "ms", "micros": "us", "nanos": "ns"}


@settings(max_examples=150)
@given(cases(wide=False), st.data())
def test_plain_json_equals_that_of_fastavro_and_round_trips(case: Case, data: st.DataObject) -> None:
    converter = Converter(Schema.parse(case.text, "random.avsc"))
    body = data.draw(st.sampled_from(case.bodies))
    plain = json.loads(json.dumps(converter.to_json(body), allow_nan=False))
    _means(case.schema, plain, _read(case.schema, body))
    _means(case.schema, plain, _read(case.schema, converter.to_avro(plain, "again")))


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**31, 2**63, 1.5, 5.0, 1e300, 10**400, "", "a", "\ud800", "NaN", [], {}, b"b"]
)


@settings(max_examples=150)
@given(cases(wide=False), st.data())
def test_usual_events_become_the_same_bytes_and_unusual_ones_none(case: Case, data: st.DataObject) -> None:
    """The short way gives the bytes of the long one, or leaves the event to it."""
    schema = Schema.parse(case.text, "random.avsc")
    short = encoder(schema.record, jsonl._general)
    plain = json.loads(json.dumps(Converter(schema).to_json(data.draw(st.sampled_from(case.bodies)))))
    assert short(plain) == jsonl._general(schema.record, plain)
    names = st.sampled_from([*plain, "unknown"])
    changed = plain | data.draw(st.dictionaries(names, VALUES, max_size=2))
    for name in data.draw(st.sets(names, max_size=1)):
        changed.pop(name, None)
    found = _encoded(short, changed)
    assert found in {None, _encoded(lambda event: jsonl._general(schema.record, event), changed)}


def _encoded(encode: Callable[[Any], bytes], event: Any) -> bytes | None:
    try:
        return encode(event)
    except (Unusual, BadEvent, *Misfit):
        return None


def _read(schema: Any, body: bytes) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(body), bare(schema))


def _means(kind: Any, plain: Any, held: Any) -> None:
    """Assert that plain JSON is what a type holds."""
    if isinstance(kind, list):
        _means(next((branch for branch in kind if (branch == "null") == (held is None)), "null"), plain, held)
    elif isinstance(kind, dict) and kind["type"] == "record":
        assert list(plain) == list(held)
        for field in kind["fields"]:
            _means(field["type"], plain[field["name"]], held[field["name"]])
    elif isinstance(kind, dict) and kind["type"] == "array":
        for item, inner in zip(plain, held, strict=True):
            _means(kind["items"], item, inner)
    elif isinstance(kind, dict) and kind["type"] == "map":
        assert list(plain) == list(held)
        for key in held:
            _means(kind["values"], plain[key], held[key])
    else:
        _holds(kind if isinstance(kind, dict) else {"type": kind}, plain, held)


def _holds(kind: dict[str, Any], plain: Any, held: Any) -> None:
    """The same of a type without types inside."""
    logical, _, unit = kind.get("logicalType", "").removeprefix("local-").partition("-")
    match logical or kind["type"], held:
        case "decimal", bytes():
            assert Fraction(plain) == Fraction(int.from_bytes(held, "big", signed=True), 10 ** kind["scale"])
        case (("date" | "time" | "timestamp"), int()) if isinstance(plain, str):
            text = f"1970-01-01T{plain}" if logical == "time" else plain.removesuffix("Z")
            assert np.array(text, f"datetime64[{_UNITS[unit]}]").astype(int) == held
        case "uuid", bytes():
            assert UUID(plain).bytes == held
        case _, bytes():
            assert b64decode(plain) == held
        case _, float():
            assert str(float(plain)) == str(held)
        case _:
            assert (type(plain), plain) == (type(held), held)


_DATES = ["2024-01-01", "20240229", "2024-W05-3", "2024W053", "1969-12-31", "2024.5-01-01", "2024-1-1", "0001-01-01"]
_CLOCKS = ["12", "12:30", "1230", "23:59:59", "235959", "12.5", "12,30", "24:00", "12:30:60", ""]
_FRACTIONS = ["", ".5", ",25", ".123456", ".123456789", ".", ".1234567890123", ".x"]
_ZONES = [
    "",
    "Z",
    "z",
    "+01:00",
    "-0530",
    "+01:00:30",
    "+01:00:30.5",
    "-23:59:59.999999",
    "+24:00",
    "+1",
    "+01:00:30.123456789",
]


@settings(max_examples=400)
@given(st.tuples(*map(st.sampled_from, (_DATES, ["T", " ", "-"], _CLOCKS, _FRACTIONS, _ZONES))))
def test_a_timestamp_is_parsed_as_python_parses_it(parts: tuple[str, ...]) -> None:
    text = "".join(parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"^"):
            parse_timestamp(text, 1_000_000)
        return
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - epoch
    micros = since // timedelta(microseconds=1)
    assert parse_timestamp(text, 1_000_000) == micros
    assert parse_timestamp(text, 1_000) == micros // 1_000
    beyond = parts[3][7:10].ljust(3, "0") if moment.microsecond and parts[3] else "0"
    assert parse_timestamp(text, 10**9) == micros * 1_000 + int(beyond)
