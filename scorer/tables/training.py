"""Rows with their labels as Arrow batches, to train a model with."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from scorer.avro import CapturedRow
from scorer.errors import Misconfigured, Problem

OURS = ("label", "weight", "version", "arm", "time", "event_id")  # columns besides those of the model


def training_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the fields of a training set: the model's columns as float32, then ours.

    Raises:
        Misconfigured: the model has a column with the name of one of ours.
    """
    if twice := [name for name in columns if name in OURS]:
        what = f"the model has a column '{twice[0]}', and so has every training set"
        raise Misconfigured([Problem("training-set", what, "rename the column in the plan of a new version")])
    return pa.schema(
        [
            *((name, pa.float32()) for name in columns),
            ("label", pa.float64()),
            ("weight", pa.float64()),
            ("version", pa.string()),
            ("arm", pa.string()),
            ("time", pa.timestamp("ms", "UTC")),
            ("event_id", pa.string()),
        ]
    )


def training_batch(rows: Sequence[tuple[CapturedRow, float]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows with their labels; what is missing is NaN, as the model saw it.

    Args:
        rows: rows of the same columns, each with its label.
        schema: see `training_schema`.
    """
    values = np.stack([row.row for row, _ in rows])
    ours = [
        pa.array([label for _, label in rows], pa.float64()),
        pa.array([1 / row.sample for row, _ in rows], pa.float64()),
        pa.array([row.version for row, _ in rows], pa.string()),
        pa.array([row.arm for row, _ in rows], pa.string()),
        pa.array([row.scored_at for row, _ in rows], pa.int64()).cast(pa.timestamp("ms", "UTC")),
        pa.array([row.event_id.decode(errors="replace") for row, _ in rows], pa.string()),
    ]
    columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
    return pa.RecordBatch.from_arrays([*columns, *ours], schema=schema)
