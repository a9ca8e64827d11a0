"""Plain JSON of random events means what fastavro reads of them, and becomes it again."""

import io
import json
from base64 import b64decode
from fractions import Fraction
from typing import Any
from uuid import UUID

import fastavro
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import Converter, Schema
from tests.avro.schemas import Case, bare, cases

_UNITS = {"": "D", "millis": "ms", "micros": "us", "nanos": "ns"}


@settings(max_examples=150)
@given(cases(wide=False), st.data())
def test_plain_json_says_what_fastavro_reads_and_becomes_it_again(case: Case, data: st.DataObject) -> None:
    converter = Converter(Schema.parse(case.text, "random.avsc"))
    body = data.draw(st.sampled_from(case.bodies))
    plain = json.loads(json.dumps(converter.to_json(body), allow_nan=False))
    _means(case.schema, plain, _read(case.schema, body))
    _means(case.schema, plain, _read(case.schema, converter.to_avro(plain, "again")))


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
