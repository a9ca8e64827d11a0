"""Converts dates and times between ISO 8601 text and ticks; digits smaller than a tick are cut off.

The text must be valid for `fromisoformat` of Python's date, time or datetime. These ignore digits after microseconds,
so nanoseconds are parsed here.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_DAY_ZERO = _EPOCH.toordinal()
_DAY_SECONDS = 86_400
_MICROSECONDS = 1_000_000  # of a second
_MICROSECOND = timedelta(microseconds=1)
_OFFSET = re.compile(r"(Z|[+-]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?)$")
_NANOSECONDS = re.compile(r"[.,]\d{6}(\d{1,3})\d*$")


def parse_date(text: str) -> int:
    """Return the days since the epoch.

    Raises:
        ValueError: the text is not a date; the other parsers raise it likewise.
    """
    return date.fromisoformat(text).toordinal() - _DAY_ZERO


def parse_time(text: str, ticks: int) -> int:
    """Return the ticks since midnight; `ticks` is the number in a second."""
    clock = time.fromisoformat(text)
    if clock.tzinfo is not None:
        raise ValueError("a time of day has no zone")
    seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
    return _to_ticks(seconds * _MICROSECONDS + clock.microsecond, text, ticks)


def parse_timestamp(text: str, ticks: int) -> int:
    """Return the ticks since the epoch; a text without a zone is in UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return _to_ticks((moment - _NAIVE_EPOCH) // _MICROSECOND, text, ticks)
    return _to_ticks((moment - _EPOCH) // _MICROSECOND, _OFFSET.sub("", text) if ticks > _MICROSECONDS else "", ticks)


def format_date(days: int) -> str | int:
    """Return a date as text, or its days since the epoch outside the years 1 to 9999; the other formatters likewise."""
    try:
        return date.fromordinal(days + _DAY_ZERO).isoformat()
    except (ValueError, OverflowError):
        return days


def format_time(since: int, ticks: int) -> str | int:
    """Return a time of day as text."""
    seconds, fraction = divmod(since, ticks)
    if not 0 <= seconds < _DAY_SECONDS:
        return since
    return (_EPOCH + timedelta(seconds=seconds)).time().isoformat("seconds") + _point(fraction, ticks)


def format_timestamp(since: int, ticks: int, zone: str) -> str | int:
    """Return a timestamp as text that ends in `zone`."""
    seconds, fraction = divmod(since, ticks)
    try:
        moment = _NAIVE_EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return since
    return moment.isoformat("T", "seconds") + _point(fraction, ticks) + zone


def _to_ticks(microseconds: int, text: str, ticks: int) -> int:
    """Convert microseconds to ticks, and add the nanoseconds in the text, which must not end in a UTC offset."""
    if ticks <= _MICROSECONDS:
        return microseconds * ticks // _MICROSECONDS
    found = _NANOSECONDS.search(text)
    return microseconds * (ticks // _MICROSECONDS) + (int(found[1].ljust(3, "0")) if found else 0)


def _point(fraction: int, ticks: int) -> str:
    return f".{fraction:0{len(str(ticks)) - 1}}"
