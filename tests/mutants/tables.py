"""Mutants of scoring tables."""

from tests.mutants.mutant import Mutant

EVENTS = "tests/tables/test_events.py::"
FEATURES = "tests/tables/test_features.py::"
FILES = "tests/files/test_scoring.py::"
PARTS = "tests/files/test_parts.py::"

MUTANTS = [
    Mutant(
        "a number that its field cannot hold is scored",
        "scorer.tables.fields:_integers",
        "values.clip(limits.min if held.min else 0, limits.max) != values",
        "None",
        EVENTS + "test_a_row_is_rejected_once",
    ),
    Mutant(
        "a cell that is not of its column's type is scored as null",
        "scorer.tables.event_column:EventColumn.fill",
        "array.null_count > given.null_count",
        "False",
        "tests/tables/test_score.py::test_a_cell_that_does_not_fit_its_column_costs_its_row",
    ),
    Mutant(
        "a hexadecimal number in CSV is scored",
        "scorer.tables.csv_lines:typed",
        "_has_hexadecimal(column)",
        "False",
        "tests/tables/test_files.py::test_a_hexadecimal_number_is_no_whole_number",
    ),
    Mutant(
        "a table with another separator is read as one column",
        "scorer.tables.csv_lines:_check_separator",
        "len(names) == 1",
        "False",
        "tests/tables/test_files.py::test_another_separator_than_a_comma_is_named",
    ),
    Mutant(
        "null is scored where the schema has none",
        "scorer.tables.event_column:EventColumn.fill",
        "not self._field.nullable and array.null_count",
        "False",
        EVENTS + "test_null_is_rejected_where_the_schema_has_none",
    ),
    Mutant(
        "a slice of a table is read from its beginning",
        "scorer.tables.fields:_numpy",
        "values[array.offset : array.offset + len(array)]",
        "values[: len(array)]",
        EVENTS + "test_members_of_structs_are_fields",
    ),
    Mutant(
        "an output of another input or model is kept",
        "scorer.files.scoring:FileScorer.finished",
        "receipt if same else None",
        "receipt",
        FILES + "test_finished_outputs_are_kept_until_what_they_were_made_of_changes",
    ),
    Mutant(
        "a part is kept although it has other rows now",
        "scorer.files.scoring:Task.which",
        "self.part.text if self.part else ''",
        "''",
        PARTS + "test_no_row_is_there_twice_when_a_file_is_divided_otherwise",
    ),
    Mutant(
        "outputs of another division stay",
        "scorer.files.parts:left_over",
        "mine and name not in wanted",
        "False",
        PARTS + "test_no_row_is_there_twice_when_a_file_is_divided_otherwise",
    ),
    Mutant(
        "the rows of each part are numbered from 0",
        "scorer.files.reading:FileReader._of_table",
        "part.first if part else 0",
        "0",
        PARTS + "test_the_parts_have_the_rows_of_the_whole_in_order",
    ),
    Mutant(
        "a file that changed while it was read is published",
        "scorer.files.inputs:require_unchanged",
        "now != (file.size, file.changed)",
        "False",
        FILES + "test_a_file_that_changes_while_it_is_read_gets_no_output",
    ),
    Mutant(
        "two commands write one folder",
        "scorer.files.outputs:_locked",
        "return False",
        "return True",
        FILES + "test_two_commands_never_write_one_folder",
    ),
    Mutant(
        "an event gets a feature from its future",
        "scorer.tables.feature_table:FeatureTable._newest",
        "self._since[middle[open_]] <= when[open_]",
        "self._since[middle[open_]] <= when[open_] + 1",
        FEATURES + "test_no_row_is_from_the_future",
    ),
    Mutant(
        "a fraction of a millisecond is cut off the time of a feature",
        "scorer.tables.feature_columns:since_of",
        "-(-ticks // (per_second // 1_000))",
        "ticks // (per_second // 1_000)",
        FEATURES + "test_a_fraction_of_a_millisecond_counts_as_later",
    ),
    Mutant(
        "one of several rows of a key is chosen",
        "scorer.tables.feature_table:FeatureTable._keep",
        "len(self._index.first) < len(rows)",
        "False",
        FEATURES + "test_a_key_with_several_rows_needs_a_time",
    ),
]
