"""Parsing the text of a cell: part of a key, a feature, or the time of the last change."""

import math
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from scorer.arrays.floats import by_python
from scorer.batch import Field, Kind
from scorer.plan.keys import Part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOOLEANS = {"true": "1", "false": "0"}


def key_text(text: str, part: Part, field: Field) -> bytes:
    """Return a cell as part of a key, equal to that of an event with the same value.

    Raises:
        ValueError: says what was expected, as in the other functions here.
    """
    if not text:
        raise ValueError("expected a value, which the key needs")
    if part.format is not None:
        return part.text(_moment(text, field))
    if field.kind is Kind.INTEGER:
        return str(_integer(text)).encode()
    if field.kind is Kind.BOOLEAN and text.lower() in BOOLEANS:
        return text.lower().encode()
    if field.kind is Kind.BOOLEAN:
        raise ValueError("expected true or false")
    if field.kind is Kind.ENUM and text not in field.symbols:
        raise ValueError(f"expected one of {', '.join(field.symbols)}")
    try:
        return text.encode()
    except UnicodeEncodeError:  # JSON may have half of a pair of surrogates
        raise ValueError("expected text that UTF-8 can hold") from None


def number_text(text: str) -> str:
    """Return a cell as the text of a number; empty if the cell is."""
    text = text.strip()
    text = BOOLEANS.get(text.lower(), text)
    _, is_number = by_python(text.encode())
    if text and not is_number:
        raise ValueError("expected a number, or nothing")
    return text


def float32_text(text: str) -> str:
    """Return a cell as the text of a number that float32 can hold; empty if the cell is."""
    text = number_text(text)
    value = float(text or "nan")
    with np.errstate(over="ignore"):
        if math.isfinite(value) and not np.isfinite(np.float32(value)):
            raise ValueError("expected a number that fits float32")
    return text


def seconds_text(text: str) -> str:
    """Return a cell that is Unix seconds or a time in ISO 8601 as the text of Unix seconds."""
    seconds, is_number = by_python(text.encode())
    if not is_number:
        try:
            seconds = _utc(datetime.fromisoformat(text)).timestamp()
        except (ValueError, OverflowError):  # the latter of a time zone in which the year is 0 or 10000
            seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError("expected Unix seconds, or a time in ISO 8601")
    return repr(seconds)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None


def _moment(text: str, field: Field) -> datetime:
    """Parse a date, a time of day or a timestamp; as in events, a number is in the schema's unit."""
    try:
        number = int(text)
    except ValueError:
        number = None
    try:
        if number is not None:
            days, ticks = (number, 0) if field.kind is Kind.DATE else (0, number)
            return EPOCH + timedelta(days, microseconds=ticks * 1_000_000 // field.ticks)
        if field.kind is Kind.DATE:
            return _utc(datetime.combine(date.fromisoformat(text), time()))
        if field.kind is Kind.TIME:
            return _utc(datetime.combine(EPOCH, time.fromisoformat(text)))
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected a {field.kind.name.lower()} in ISO 8601, or a number in the schema's unit"
        ) from None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
