"""The fields of predictions as Python values: as columns, and as one JSON document for each row."""

from collections.abc import Iterator
from math import isfinite, isnan
from typing import Any

from scorer.avro.types.grammar import Scalar
from scorer.avro.values.instants import format_timestamp
from scorer.avro.values.plain import to_json
from scorer.batch import NO_COLUMN, NO_SLOT, NO_TIME, Explanations, Outcome

NUMBER = Scalar("double")
MILLISECONDS = 1_000  # of a second


def prediction_columns(outcome: Outcome) -> dict[str, list[Any]]:
    """Return the fields of `prediction.avsc`, each with one item for each row; times are milliseconds since the epoch.

    The scores of rejected rows are arbitrary. `source_*` is null in a row that did not come from a topic.
    """
    each, origin = outcome.predictions, outcome.predictions.origin
    rows, text, topics = len(each.event_time), each.data.tobytes(), origin.topic.tolist()
    spans = zip(each.id_starts.tolist(), each.id_ends.tolist(), strict=True)
    return {
        "event_id": [text[start:end].decode(errors="replace") for start, end in spans],
        "score": each.scores.tolist(),  # float32 is widened
        "model": [each.model] * rows,
        "version": [each.arms[arm][0] for arm in each.arm.tolist()],
        "arm": [each.arms[arm][1] for arm in each.arm.tolist()],
        "missing": [
            [name for name, gone in zip(each.entities, missing, strict=True) if gone]
            for missing in each.missing.tolist()
        ],
        "degraded": [each.degraded] * rows,
        "source_topic": [origin.topics[topic] if topic >= 0 else None for topic in topics],
        "source_partition": _where_known(topics, origin.partition.tolist()),
        "source_offset": _where_known(topics, origin.offset.tolist()),
        "event_time": [None if time == NO_TIME else time for time in each.event_time.tolist()],
        "scored_at": [each.scored_at] * rows,
        "explanation": _explanations(each.explanations, rows),
    }


def prediction_json(outcome: Outcome) -> Iterator[dict[str, object]]:
    """Yield a document for each row of a batch, with the fields of `prediction.avsc`.

    A rejected row has the score null, a `reason` and a `detail`.
    """
    columns = prediction_columns(outcome)
    rejected = {rejection.row: rejection for rejection in outcome.rejected}
    columns["score"] = [None if row in rejected else score_json(score) for row, score in enumerate(columns["score"])]
    columns["event_time"] = [None if time is None else _shown(time) for time in columns["event_time"]]
    columns["scored_at"] = [_shown(outcome.predictions.scored_at)] * len(columns["scored_at"])
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        document: dict[str, object] = dict(zip(columns, values, strict=True))
        if row in rejected:
            document |= {"reason": rejected[row].reason.value, "detail": rejected[row].detail}
        yield document


def _explanations(explanations: Explanations | None, rows: int) -> list[list[dict[str, Any]] | None]:
    if explanations is None:
        return [None] * rows
    given = explanations.columns, explanations.values, explanations.contributions
    lines = [
        [
            {"column": explanations.names[column], "value": None if isnan(value) else value, "contribution": part}
            for column, value, part in zip(*line, strict=True)
            if column != NO_COLUMN
        ]
        for line in zip(*(array.tolist() for array in given), strict=True)
    ]
    return [None if slot == NO_SLOT else lines[slot] for slot in explanations.slots.tolist()]


def _where_known(topics: list[int], values: list[int]) -> list[int | None]:
    return [value if topic >= 0 else None for topic, value in zip(topics, values, strict=True)]


def score_json(score: float | list[float]) -> object:
    """Return a score, or those of several outputs, as plain JSON: as text where it is not finite."""
    return [*map(_number, score)] if isinstance(score, list) else _number(score)


def _number(value: float) -> object:
    return value if isfinite(value) else to_json(NUMBER, value)


def _shown(milliseconds: int) -> str | int:
    """Return a time as plain JSON, as `to_json` does for `timestamp-millis`."""
    return format_timestamp(milliseconds, MILLISECONDS, "Z")
