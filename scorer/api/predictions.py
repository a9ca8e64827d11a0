"""Predictions as columns of Python values, with the fields of `prediction.avsc`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from scorer.batch import NO_TIME, Outcome

Columns = dict[str, list[Any]]  # by field; times are milliseconds since the epoch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("event_time", "scored_at")


def predictions_of(outcome: Outcome) -> Columns:
    """Return the predictions of a batch, one item a row; the scores of rejected rows mean nothing."""
    each, rows = outcome.predictions, len(outcome.predictions.event_time)
    text = each.data.tobytes()
    spans = zip(each.id_starts.tolist(), each.id_ends.tolist(), strict=True)
    nothing = [None] * rows  # no topic holds these rows
    return {
        "event_id": [text[start:end].decode(errors="replace") for start, end in spans],
        "score": each.scores.tolist(),  # float32 widened
        "model": [each.model] * rows,
        "version": [each.version] * rows,
        "arm": [each.arm] * rows,
        "missing": [
            [name for name, gone in zip(each.entities, missing, strict=True) if gone]
            for missing in each.missing.tolist()
        ],
        "degraded": [each.degraded] * rows,
        "source_topic": nothing,
        "source_partition": nothing,
        "source_offset": nothing,
        "event_time": [None if time == NO_TIME else time for time in each.event_time.tolist()],
        "scored_at": [each.scored_at] * rows,
    }


def end_to_end(batches: Iterable[Columns]) -> Columns:
    """Return the columns of batches as one."""
    first, *rest = batches
    joined = {name: list(values) for name, values in first.items()}
    for batch in rest:
        for name, values in batch.items():
            joined[name] += values
    return joined


def as_dicts(columns: Columns) -> list[dict[str, Any]]:
    """Return a dict for each row; its times are datetimes in UTC, or milliseconds where no datetime can be."""
    moments = {name: [None if time is None else _moment(time) for time in columns[name]] for name in _TIMES}
    given = columns | moments
    return [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]


def _moment(milliseconds: int) -> datetime | int:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
