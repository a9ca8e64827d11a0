"""Mutants of scoring in Spark."""

from tests.mutants.mutant import Mutant

ROWS = "tests/spark/test_rows.py::"
TOPICS = "tests/spark/test_topics.py::"

MUTANTS = [
    Mutant(
        "a whole partition is read before it is scored",
        "scorer.spark.frames:RowScorer.batches",
        "opened(self.box), dict[pa.Schema, TableEvents]()",
        "opened(self.box), (found := iter(list(found))) and dict[pa.Schema, TableEvents]()",
        ROWS + "test_a_batch_is_scored_before_the_next_is_read",
    ),
    Mutant(
        "a large batch is scored as one",
        "scorer.spark.frames:RowScorer.batches",
        "slices(batch)",
        "[batch]",
        ROWS + "test_a_large_batch_is_scored_in_parts",
    ),
    Mutant(
        "the number of a row in its batch is its id",
        "scorer.spark.frames:_scored",
        "pc.if_else(_is_null(batch, ids), None, predicted['event_id'])",
        "predicted['event_id']",
        ROWS + "test_a_row_without_an_id_gets_none",
    ),
    Mutant(
        "an executor takes a model of another version of scorer",
        "scorer.spark.parcel:_open",
        "parcel.made_by != scorer.__version__",
        "False",
        ROWS + "test_an_executor_with_another_version_is_refused",
    ),
    Mutant(
        "a model is opened for each task",
        "scorer.spark.parcel:opened",
        "_open(box.value)",
        "_open.__wrapped__(box.value)",
        ROWS + "test_a_model_is_opened_once_in_a_process",
    ),
    Mutant(
        "features in rows keep digits that Redis does not",
        "scorer.tables.joined:_found",
        "values.astype(layout_of(entity).number_type)",
        "values",
        ROWS + "test_features_in_rows_are_rounded_as_in_redis",
    ),
    Mutant(
        "a slice of Kafka's records is read from its beginning",
        "scorer.spark.topics:records_of",
        "edges[1:] - edges[0]",
        "edges[1:]",
        TOPICS + "test_records_of_a_slice_have_its_values",
    ),
    Mutant(
        "a dead letter goes to the topic of predictions",
        "scorer.spark.topics:_with_letters",
        "pc.if_else(mask, topic, written['topic'])",
        "written['topic']",
        TOPICS + "test_records_become_predictions_and_dead_letters",
    ),
    Mutant(
        "a whole topic may become dead letters",
        "scorer.spark.topics:RecordScorer.batches",
        "limit.check(records, outcome.rejected)",
        "None",
        TOPICS + "test_a_task_ends_when_most_records_are_dead_letters",
    ),
]
