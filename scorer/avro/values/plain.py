"""Converts scalars between plain JSON and Avro; also accepts Python's own dates, decimals and bytes."""

import math
from base64 import b64decode, b64encode
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from scorer.avro.types.grammar import Scalar
from scorer.avro.values.binary import Raw
from scorer.avro.values.decimals import EXACT, MOST_DIGITS, decimal_text, has_more_digits
from scorer.avro.values.instants import (
    format_date,
    format_time,
    format_timestamp,
    parse_date,
    parse_time,
    parse_timestamp,
)

_BITS = {"int": 31, "long": 63}
_NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXPECTED = {
    "null": "null",
    "boolean": "true or false",
    "int": "a whole number of 32 bits",
    "long": "a whole number of 64 bits",
    "float": "a number that a float32 holds",
    "double": "a number",
    "bytes": "base64 text",
    "string": "text",
    "uuid": "the text of a UUID",
    "date": "a date as ISO 8601 text, or a number of days",
}
Misfit = (ValueError, ArithmeticError)  # raised by `from_json` if a value does not fit the type


def expected(kind: Scalar) -> str:
    """Describe the plain JSON of a type."""
    match kind.meaning:
        case "enum":
            return f"one of {', '.join(kind.symbols)}"
        case "fixed":
            return f"base64 text of {kind.size} bytes"
        case "decimal":
            return f"a decimal as text or a number, of at most {kind.precision} digits, {kind.scale} after the point"
        case "time" | "timestamp":
            return f"a {kind.meaning} as ISO 8601 text, or a number of {kind.logical.rpartition('-')[2]}"
        case meaning:
            return _EXPECTED[meaning]


def from_json(kind: Scalar, value: Any) -> Raw:  # noqa: ANN401  JSON
    """Convert a value in plain JSON, or a Python object of the matching type, to the value of the Avro base type.

    Raises:
        ValueError, ArithmeticError: the value does not fit the type.
    """
    if isinstance(value, date | time | Decimal | UUID | bytes):
        return _from_python(kind, value)
    if isinstance(value, bool) != (kind.base == "boolean") or (value is None) != (kind.base == "null"):
        raise ValueError
    if isinstance(value, str):
        return _from_text(kind, value)
    match kind.meaning, value:
        case (("null" | "boolean"), _):
            return cast("bool | None", value)
        case "decimal", int() | float():
            return _unscaled(kind, Decimal(repr(value)))
        case (("float" | "double"), int() | float()):
            return float(value)
        case _, int() | float() if kind.base in _BITS and value == int(value) and _fits(kind, int(value)):
            return int(value)
    raise ValueError


def _from_python(kind: Scalar, value: date | time | Decimal | UUID | bytes) -> Raw:
    match kind.meaning, value:
        case ("timestamp", datetime() as moment) | ("time", time() as moment):
            return _from_text(kind, moment.isoformat())
        case "date", date() as day if not isinstance(day, datetime):
            return _from_text(kind, day.isoformat())
        case "uuid", UUID():
            return _from_text(kind, str(value))
        case "decimal", Decimal():
            return _unscaled(kind, value)
        case (("float" | "double"), Decimal()):
            return float(value)
        case (("bytes" | "fixed"), bytes()) if kind.base == "bytes" or len(value) == kind.size:
            return value
    raise ValueError


def _fits(kind: Scalar, number: int) -> bool:
    return -1 <= number >> _BITS[kind.base] <= 0


def _from_text(kind: Scalar, text: str) -> Raw:  # noqa: C901, PLR0911  one a type
    match kind.meaning:
        case "string":
            text.encode()
            return text
        case "enum":
            return kind.symbols.index(text)
        case "uuid":
            return text if UUID(text) and kind.base == "string" else UUID(text).bytes
        case "date":
            return parse_date(text)
        case "time":
            return parse_time(text, kind.ticks)
        case "timestamp" if _fits(kind, since := parse_timestamp(text, kind.ticks)):
            return since
        case "decimal":
            return _unscaled(kind, Decimal(text))
        case "float" | "double" if text in _NOT_NUMBERS:
            return _NOT_NUMBERS[text]
        case "bytes" | "fixed":
            content = b64decode(text, validate=True)
            if kind.base == "bytes" or len(content) == kind.size:
                return content
    raise ValueError


def _unscaled(kind: Scalar, value: Decimal) -> bytes:
    """Encode a decimal as Avro does: the digits as a big-endian integer, without the point."""
    if not value.is_finite() or (value and value.adjusted() >= min(kind.precision, MOST_DIGITS) - kind.scale):
        raise ValueError
    shifted = value.scaleb(kind.scale, EXACT)
    if value and shifted != shifted.to_integral_value():
        raise ValueError
    number = int(shifted) if value else 0
    return number.to_bytes(kind.size or number.bit_length() // 8 + 1, "big", signed=True)


def to_json(kind: Scalar, raw: Raw) -> Any:  # noqa: ANN401, PLR0911  JSON; one return a type
    """Convert the value of an Avro base type to plain JSON; the reverse of `from_json`.

    Raises:
        ValueError: a decimal has no bytes, more digits than its precision, or too many to show.
    """
    match kind.meaning, raw:
        case "enum", int():
            return kind.symbols[raw]
        case "date", int():
            return format_date(raw)
        case "time", int():
            return format_time(raw, kind.ticks)
        case "timestamp", int():
            return format_timestamp(raw, kind.ticks, "" if kind.logical.startswith("local") else "Z")
        case "decimal", bytes():
            unscaled = int.from_bytes(raw, "big", signed=True)
            if not raw or has_more_digits(unscaled, kind.precision):
                raise ValueError(f"a decimal of {len(raw)} bytes is not one of 1 to {kind.precision} digits")
            return decimal_text(unscaled, kind.scale)
        case "uuid", bytes():
            return str(UUID(bytes=raw))
        case _, bytes():
            return b64encode(raw).decode()
        case _, float() if not math.isfinite(raw):
            return next(text for text, number in _NOT_NUMBERS.items() if str(number) == str(raw))
        case _:
            return raw
