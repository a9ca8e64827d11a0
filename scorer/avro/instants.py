"""Dates and times between ISO 8601 text and ticks; what a text has beyond a tick is cut off."""

import re
from datetime import UTC, date, datetime, time, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = _EPOCH.toordinal()
_DAY_SECONDS = 86_400
_FRACTION = re.compile(r"[.,]([0-9]+)")


def parse_date(text: str) -> int:
    """Return the days since the epoch.

    Raises:
        ValueError: it is not a date. So do the others.
    """
    return date.fromisoformat(text).toordinal() - _DAY_ZERO


def parse_time(text: str, ticks: int) -> int:
    """Return the ticks since midnight; `ticks` are those of a second."""
    whole, fraction = _split(text, ticks)
    clock = time.fromisoformat(whole)
    if clock.tzinfo is not None:
        raise ValueError("a time of day has no zone")
    return (clock.hour * 3600 + clock.minute * 60 + clock.second) * ticks + fraction


def parse_timestamp(text: str, ticks: int) -> int:
    """Return the ticks since the epoch; a text without a zone is taken for UTC."""
    whole, fraction = _split(text, ticks)
    moment = datetime.fromisoformat(whole)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1) * ticks + fraction


def format_date(days: int) -> str | int:
    """Return a date as text; beyond the years 1 to 9999, its days since the epoch. The others do the same."""
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
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return since
    return moment.replace(tzinfo=None).isoformat("T", "seconds") + _point(fraction, ticks) + zone


def _split(text: str, ticks: int) -> tuple[str, int]:
    """Take the fraction of a second out of a text, and return both: the fraction in ticks."""
    digits = len(str(ticks)) - 1
    found = _FRACTION.search(text)
    if found is None:
        return text, 0
    return text[: found.start()] + text[found.end() :], int(found[1][:digits].ljust(digits, "0"))


def _point(fraction: int, ticks: int) -> str:
    return f".{fraction:0{len(str(ticks)) - 1}}"
