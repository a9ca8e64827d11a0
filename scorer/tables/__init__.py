"""Tables: scores Arrow batches and files of them with the parts of a replica."""

from scorer.tables.events import TableEvents
from scorer.tables.features import FeatureTables
from scorer.tables.files import TableFile, rows_of_groups, table_writer
from scorer.tables.joined import features_problems, score_joined
from scorer.tables.model_columns import model_rows
from scorer.tables.predictions import (
    as_batch,
    as_table,
    error_array,
    explanation_array,
    predictions_schema,
    score_array,
)
from scorer.tables.scorer import TableScorer

__all__ = [
    "FeatureTables",
    "TableEvents",
    "TableFile",
    "TableScorer",
    "as_batch",
    "as_table",
    "error_array",
    "explanation_array",
    "features_problems",
    "model_rows",
    "predictions_schema",
    "rows_of_groups",
    "score_array",
    "score_joined",
    "table_writer",
]
