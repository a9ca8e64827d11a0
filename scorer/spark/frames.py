"""Scores the rows of a DataFrame, which Spark sends to a Python process and gets back as Arrow batches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from scorer.api.source import Named, SchemaSource
from scorer.batch import Outcome
from scorer.errors import Misconfigured, Problem
from scorer.serving.ensemble import Candidate
from scorer.settings import Settings
from scorer.spark.parcel import Box, Opened, missing_features, opened, pack
from scorer.spark.types import arrow_type, spark_type
from scorer.tables import TableEvents, as_batch, features_problems, predictions_schema, score_joined
from scorer.tables.event_column import member
from scorer.tables.files import slices

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PREDICTION = "prediction"
GIVEN = "scorer_features"  # the column with the features that stand in the rows


def score(  # noqa: PLR0913  all but two have defaults
    frame: "DataFrame",
    source: Named | Settings,
    *,
    schema: SchemaSource | None = None,
    features: str | None = None,
    joined: "Mapping[str, Column] | None" = None,
    explain: int | None = None,
) -> "DataFrame":
    """Return the rows of a DataFrame with a column `prediction`, a struct of the fields of a prediction.

    Each row gets the score that a replica publishes for that event, bit for bit; one that cannot be scored has a null
    score, a reason and a detail. The columns are checked now, and the rows are scored when Spark runs a job. They may
    be those of a stream.

    Args:
        frame: with a column for each field of the schema that is used.
        source: see `scorer.load`. The driver reads it, and sends the model to each executor once.
        schema: see `scorer.load`.
        features: the URL of a Redis, which the executors ask; by default that of the configuration.
        joined: a column for each entity whose features stand in the rows: a struct of them, null where there are none.
        explain: see `scorer.load`.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema; or else with every
            column that is missing, or that cannot hold the values of its field.
    """
    from pyspark.sql import functions  # noqa: PLC0415  comes with the caller's frame
    from pyspark.sql.types import DataType, StructField, StructType  # noqa: PLC0415  the same

    packed, whole = pack(source, schema, features, explain), frame
    if joined:
        whole = frame.withColumn(GIVEN, functions.struct(*(column.alias(name) for name, column in joined.items())))
    types = arrow_type(json.loads(whole.schema.json()))
    if problems := frame_problems(packed.serving, frame.columns, types, stored=packed.parcel.stored):
        raise Misconfigured(problems)
    predicted = DataType.fromDDL(spark_type(prediction_type(packed.serving.outputs)))
    made = StructType([*frame.schema.fields, StructField(PREDICTION, predicted)])
    box = frame.sparkSession.sparkContext.broadcast(packed.parcel)
    return whole.mapInArrow(RowScorer(box).batches, made)


def frame_problems(serving: Candidate, names: Sequence[str], types: pa.StructType, *, stored: bool) -> list[Problem]:
    """Return everything that keeps the rows of a DataFrame from being scored.

    Args:
        serving: the model.
        names: the columns of the frame.
        types: those of its rows, and of the features that were added to them, if any.
        stored: whether features that are not given are looked up.
    """
    taken = [name for name in names if name in {PREDICTION, GIVEN}]
    if taken:
        return [
            Problem("the frame", f"it has a column '{name}'", "rename it: the result has its own") for name in taken
        ]
    problems, at = list[Problem](), types.get_field_index(GIVEN)
    try:
        TableEvents(serving.wanted(), pa.schema(list(types)), "the frame")
    except Misconfigured as error:
        problems += error.problems
    given = [] if at < 0 else list(types.field(at).type)
    problems += features_problems(serving.looked_up, pa.struct(given))
    return problems + missing_features(serving, [each.name for each in given], stored=stored)


def prediction_type(outputs: int) -> pa.StructType:
    """Return the type of predictions, with times in the unit of Spark's.

    Args:
        outputs: how many numbers a score has.
    """
    moment = pa.timestamp("us", "UTC")
    return pa.struct(
        [
            pa.field(each.name, moment if pa.types.is_timestamp(each.type) else each.type)
            for each in predictions_schema(outputs)
        ]
    )


@dataclass(frozen=True, slots=True)
class RowScorer:
    """Scores Arrow batches in a process of an executor."""

    box: Box

    def batches(self, found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a partition with their predictions; one is in memory at a time."""
        model, events = opened(self.box), dict[pa.Schema, TableEvents]()
        for batch in found:
            for part in slices(batch):
                if part.schema not in events:
                    events[part.schema] = TableEvents(model.serving.wanted(), part.schema, "the frame")
                yield _scored(model, events[part.schema], part)


def _scored(model: Opened, events: TableEvents, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with its predictions, without the features that were added to it."""
    outputs, ids = model.serving.outputs, model.serving.settings.events.id
    predicted = as_batch(outcome_of(model, events, batch), predictions_schema(outputs))
    own = pc.if_else(_is_null(batch, ids), None, predicted["event_id"])
    predicted = predicted.set_column(0, "event_id", own)  # otherwise the number of the row in its batch
    at = batch.schema.get_field_index(GIVEN)
    kept = batch if at < 0 else batch.remove_column(at)
    return kept.append_column(PREDICTION, predicted.to_struct_array().cast(prediction_type(outputs)))


def _is_null(batch: pa.RecordBatch, path: str | None) -> pa.Array:
    """Return where a field has no value; everywhere if the batch has no column for it."""
    names = (path or "").split(".")
    if path is None or names[0] not in batch.schema.names:
        return pa.repeat(pa.scalar(value=True), batch.num_rows)
    return member(batch, names).is_null()


def outcome_of(model: Opened, events: TableEvents, batch: pa.RecordBatch) -> Outcome:
    """Score the rows of a batch, with the features that stand in them."""
    now, at = time(), batch.schema.get_field_index(GIVEN)
    if at < 0:
        return model.scorer.score(events.events(batch), now)
    features = batch.column(at)
    given = [each.name for each in features.type]
    return score_joined(model.scorer, events.events(batch), features, given, now)
