"""Predictions as columns of Python values, with the fields of `prediction.avsc`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Columns = dict[str, list[Any]]  # by field; times are milliseconds since the epoch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("event_time", "scored_at")


def end_to_end(batches: Iterable[Columns]) -> Columns:
    """Concatenate the columns of several batches."""
    first, *rest = batches
    joined = {name: list(values) for name, values in first.items()}
    for batch in rest:
        for name, values in batch.items():
            joined[name] += values
    return joined


def as_dicts(columns: Columns) -> list[dict[str, Any]]:
    """Return a dict for each row; its times are datetimes in UTC, or milliseconds if out of the range of datetime."""
    moments = {name: [None if time is None else _moment(time) for time in columns[name]] for name in _TIMES}
    given = columns | moments
    return [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]


def _moment(milliseconds: int) -> datetime | int:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
