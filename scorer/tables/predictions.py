"""Predictions as Arrow batches."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.batch import NO_COLUMN, NO_SLOT, NO_TIME, Outcome, Predictions

_MOMENT, _NUMBER = pa.timestamp("ms", "UTC"), pa.float64()
_CONTRIBUTION = pa.struct({"column": pa.string(), "value": _NUMBER, "contribution": _NUMBER})


def predictions_schema(outputs: int) -> pa.Schema:
    """Return the fields of `prediction.avsc`, then the reason and the detail of a row that cannot be scored.

    Args:
        outputs: how many numbers a score has.
    """
    return pa.schema({
        "event_id": pa.string(),
        "score": _NUMBER if outputs == 1 else pa.list_(_NUMBER),
        "model": pa.string(),
        "version": pa.string(),
        "arm": pa.string(),
        "missing": pa.list_(pa.string()),
        "degraded": pa.bool_(),
        "source_topic": pa.string(),
        "source_partition": pa.int32(),
        "source_offset": pa.int64(),
        "event_time": _MOMENT,
        "scored_at": _MOMENT,
        "explanation": pa.list_(_CONTRIBUTION),
        "reason": pa.string(),
        "detail": pa.string(),
    })  # fmt: skip


def as_batch(outcome: Outcome, schema: pa.Schema, *, rejected: bool = True) -> pa.RecordBatch:
    """Return a row for each event of a batch; the score of one that was rejected is null, and it has a reason.

    Args:
        outcome: the outcome of the batch.
        schema: see `predictions_schema`.
        rejected: also return the rows that were rejected.
    """
    each = outcome.predictions
    rows = len(each.event_time)
    why = {rejected.row: rejected for rejected in outcome.rejected}
    reasons = [None] * rows if not why else [why[row].reason.value if row in why else None for row in range(rows)]
    details = [None] * rows if not why else [why[row].detail if row in why else None for row in range(rows)]
    versions, arms = (pa.array(names, pa.string()) for names in zip(*each.arms, strict=True))
    arm, in_a_topic = pa.array(each.arm), each.origin.topic >= 0
    topics = pa.array([*each.origin.topics, None], pa.string())
    arrays = {
        "event_id": _texts(each.data, each.id_starts, each.id_ends),
        "score": score_array(outcome),
        "model": pa.repeat(pa.scalar(each.model, pa.string()), rows),
        "version": versions.take(arm),
        "arm": arms.take(arm),
        "missing": _missing(each),
        "degraded": pa.repeat(pa.scalar(each.degraded), rows),
        "source_topic": topics.take(pa.array(np.where(in_a_topic, each.origin.topic, len(each.origin.topics)))),
        "source_partition": pa.array(each.origin.partition, mask=~in_a_topic),
        "source_offset": pa.array(each.origin.offset, mask=~in_a_topic),
        "event_time": pa.array(each.event_time, mask=each.event_time == NO_TIME).cast(_MOMENT),
        "scored_at": pa.repeat(pa.scalar(each.scored_at, _MOMENT), rows),
        "explanation": explanation_array(outcome),
        "reason": pa.array(reasons, pa.string()) if why else pa.nulls(rows, pa.string()),
        "detail": pa.array(details, pa.string()) if why else pa.nulls(rows, pa.string()),
    }
    batch = pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)
    return batch if rejected or not why else batch.filter(batch["reason"].is_null())


def as_table(outcomes: Iterable[Outcome], outputs: int) -> pa.Table:
    """Return the predictions of several batches as one table.

    Args:
        outcomes: the outcomes of the batches.
        outputs: how many numbers a score has.
    """
    schema = predictions_schema(outputs)
    return pa.Table.from_batches([as_batch(outcome, schema) for outcome in outcomes], schema)


def _texts(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Array:
    """Return slices of the data as text."""
    if len(starts) and (starts[1:] == ends[:-1]).all():  # they follow each other
        offsets, content = np.append(starts, ends[-1]), data
    else:
        content = np.concatenate([data[start:end] for start, end in zip(starts, ends, strict=True)] or [data[:0]])
        offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(content))]
    return pa.Array.from_buffers(pa.large_string(), len(starts), buffers).cast(pa.string())


def score_array(outcome: Outcome) -> pa.Array:
    """Return the score of each row of a batch, a number or a list of them; null where it was rejected."""
    scores = outcome.predictions.scores
    bad = np.zeros(len(scores), np.bool_)
    bad[[rejected.row for rejected in outcome.rejected]] = True
    wide = scores.astype(np.float64)  # exact
    if wide.ndim == 1:
        return pa.array(wide, mask=bad)
    offsets = np.arange(0, wide.size + 1, wide.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(wide.reshape(-1)), mask=pa.array(bad))


def error_array(outcome: Outcome) -> pa.Array:
    """Return why each row of a batch cannot be scored, as in a dead letter; null where it was scored."""
    why = {each.row: f"{each.reason}: {each.detail}" for each in outcome.rejected}
    return pa.array([why.get(row) for row in range(len(outcome.predictions.event_time))], pa.string())


def _missing(each: Predictions) -> pa.Array:
    """Return the names of the entities that each row lacks."""
    rows, entities = np.nonzero(each.missing)
    counts = np.bincount(rows, minlength=len(each.missing))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    names = pa.array(each.entities, pa.string()).take(pa.array(entities))
    return pa.ListArray.from_arrays(pa.array(offsets), names)


def explanation_array(outcome: Outcome) -> pa.Array:
    """Return the contributions of the rows that are explained; null in the others."""
    explanations = outcome.predictions.explanations
    if explanations is None:
        return pa.nulls(len(outcome.predictions.event_time), pa.list_(_CONTRIBUTION))
    there = explanations.columns != NO_COLUMN
    counts = np.append(there.sum(axis=1), 0)[np.where(explanations.slots == NO_SLOT, -1, explanations.slots)]
    lines = explanations.slots[explanations.slots != NO_SLOT]
    chosen = there[lines]
    values = explanations.values[lines][chosen]
    flat = pa.StructArray.from_arrays(
        [
            pa.array(explanations.names, pa.string()).take(pa.array(explanations.columns[lines][chosen])),
            pa.array(values, mask=np.isnan(values)),
            pa.array(explanations.contributions[lines][chosen]),
        ],
        fields=list(_CONTRIBUTION),
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(explanations.slots == NO_SLOT))
