"""Mutants of scoring tables."""

from tests.mutants.mutant import Mutant

EVENTS = "tests/tables/test_events.py::"

MUTANTS = [
    Mutant(
        "a number that its field cannot hold is scored",
        "scorer.tables.fields:_integers",
        "values.clip(limits.min if held.min else 0, limits.max) != values",
        "None",
        EVENTS + "test_a_row_is_rejected_once",
    ),
    Mutant(
        "null is scored where the schema has none",
        "scorer.tables.events:_Line.fill",
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
]
