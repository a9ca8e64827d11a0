"""Tables: scores Arrow batches and files of them with the parts of a replica."""

from scorer.tables.files import TableFile, table_writer
from scorer.tables.predictions import as_batch, as_table, predictions_schema
from scorer.tables.scorer import TableScorer

__all__ = ["TableFile", "TableScorer", "as_batch", "as_table", "predictions_schema", "table_writer"]
