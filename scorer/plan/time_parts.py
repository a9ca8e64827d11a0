"""Parts of dates and times, in UTC, on whole columns and for every date, also before 1970."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Column, Kind

_DAY = 86_400  # seconds
_Ticks = NDArray[np.int64]


def _year(days: _Ticks) -> _Ticks:
    return days.astype("M8[D]").astype("M8[Y]").astype(np.int64) + 1970


def _month(days: _Ticks) -> _Ticks:
    return days.astype("M8[D]").astype("M8[M]").astype(np.int64) % 12 + 1


def _day(days: _Ticks) -> _Ticks:
    return days - days.astype("M8[D]").astype("M8[M]").astype("M8[D]").astype(np.int64) + 1


def _weekday(days: _Ticks) -> _Ticks:
    return (days + 3) % 7  # the epoch was a Thursday


def _yearday(days: _Ticks) -> _Ticks:
    return days - days.astype("M8[D]").astype("M8[Y]").astype("M8[D]").astype(np.int64) + 1


def _week(days: _Ticks) -> _Ticks:
    thursday = days - _weekday(days) + 3  # an ISO week belongs to the year of its Thursday
    return (_yearday(thursday) - 1) // 7 + 1


_DATE_PARTS: Mapping[str, Callable[[_Ticks], _Ticks]] = {
    "year": _year,
    "month": _month,
    "day": _day,
    "weekday": _weekday,
    "yearday": _yearday,
    "week": _week,
}
_TIME_PARTS: Mapping[str, Callable[[_Ticks], _Ticks]] = {
    "hour": lambda seconds: seconds // 3600,
    "minute": lambda seconds: seconds // 60 % 60,
    "second": lambda seconds: seconds % 60,
}
PARTS = ("year", "month", "day", "hour", "minute", "second", "weekday", "yearday", "week")


def parts_of(kind: Kind) -> tuple[str, ...]:
    """Return the parts that a field of this kind has."""
    has_date, has_time = kind in {Kind.DATE, Kind.TIMESTAMP}, kind in {Kind.TIME, Kind.TIMESTAMP}
    return tuple(part for part in PARTS if (has_date and part in _DATE_PARTS) or (has_time and part in _TIME_PARTS))


def take_part(part: str, column: Column) -> _Ticks:
    """Return one part of every value of a date, time or timestamp.

    Args:
        part: one of `parts_of(column.field.kind)`; Monday is weekday 0, the first of January is yearday 1.
        column: days since the epoch for a date, ticks since midnight or the epoch for the others.
    """
    field, values = column.field, column.values.astype(np.int64, copy=False)
    if part in _TIME_PARTS:
        return _TIME_PARTS[part](values // field.ticks % _DAY)
    return _DATE_PARTS[part](values if field.kind is Kind.DATE else values // (_DAY * field.ticks))
