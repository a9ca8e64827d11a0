"""The columns of a query: the struct that its rows are cast to, and whether that loses anything."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from scorer.avro import Wanted
from scorer.avro.types.grammar import Scalar
from scorer.batch import Field, Kind
from scorer.errors import Misconfigured, Problem
from scorer.plan import Entity
from scorer.tables import TableEvents, features_problems

_TYPES = {
    Kind.INTEGER: "BIGINT",
    Kind.FLOAT: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT: "VARCHAR",
    Kind.ENUM: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.BYTES: "BLOB",
}
MOST_DIGITS = 38  # of a decimal in DuckDB
_MICROSECONDS = 1_000_000
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "Zulu", "Universal"}


def event_type(wanted: Wanted) -> str:
    """Return the type of a row: a struct with the fields that are used.

    Raises:
        Misconfigured: DuckDB has no type for a field.
    """
    tree: dict[str, Any] = {}
    for field, scalar in zip(wanted.fields, wanted.scalars, strict=True):
        *outer, last = field.path.split(".")
        inner = tree
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = _type_of(field, scalar)
    return _struct(tree)


def features_type(entities: Sequence[Entity]) -> str:
    """Return the type of features: a struct with a struct of numbers for each entity."""
    return _struct({entity.name: dict.fromkeys(entity.fields, "DOUBLE") for entity in entities})


@lru_cache(maxsize=64)
def arrow_type(text: str) -> pa.DataType:
    """Return the Arrow type of a DuckDB type; cached, since every chunk of a query has the same."""
    return _memory().sql(f"SELECT CAST(NULL AS {text}) AS found").to_arrow_table().schema.field("found").type


def row_problems(wanted: Wanted, text: str, zone: str) -> list[Problem]:
    """Return every missing and every wrong column that keeps rows of a type from being cast to `event_type` losslessly.

    Args:
        wanted: the fields that are used.
        text: the type of the rows in DuckDB.
        zone: the session's time zone.
    """
    found = arrow_type(text)
    if not pa.types.is_struct(found):
        return [Problem("score", f"found {text}", "expected a row, as in: SELECT score(t) FROM t")]
    problems = _unlike(wanted, pa.schema(list(found)))
    for field, scalar in zip(wanted.fields, wanted.scalars, strict=True):
        own = _at(found, field.path)
        what = f"column '{field.path}' is {own}"
        if own is not None and what not in {problem.what for problem in problems}:
            needed = _needed(field, scalar, own, zone)
            problems += [Problem("the row", what, needed)] if needed else []
    return problems


def given_problems(entities: Sequence[Entity], text: str) -> list[Problem]:
    """Return everything in given features that is not an entity, a feature or a number.

    Args:
        entities: those of the plan.
        text: the type of the features in DuckDB.
    """
    found = arrow_type(text)
    if not pa.types.is_struct(found):
        first = next((entity.name for entity in entities), "plane")
        return [Problem("features", f"found {text}", f"expected a struct, as in {{'{first}': p}}")]
    return features_problems(entities, found)


def _unlike(wanted: Wanted, schema: pa.Schema) -> list[Problem]:
    """Return every reason why rows of this schema are not events."""
    try:
        absent = TableEvents(wanted, schema, "the row").absent
    except Misconfigured as error:
        return list(error.problems)
    return [
        Problem("the row", f"no column '{path}'", "its default is not null: write it as a column of the query")
        for path in absent
        if not wanted.fields[wanted.slots[path]].nullable
    ]


def _type_of(field: Field, scalar: Scalar) -> str:
    if field.kind != Kind.DECIMAL:
        return _TYPES[field.kind]
    if scalar.precision > MOST_DIGITS:
        what = f"a decimal of {scalar.precision} digits"
        raise Misconfigured([Problem(field.path, what, f"DuckDB has decimals of at most {MOST_DIGITS}")])
    return f"DECIMAL({scalar.precision}, {scalar.scale})"


def _needed(field: Field, scalar: Scalar, found: pa.DataType, zone: str) -> str:
    """Return the types that can be cast to a field without a loss; empty if the column has one of them."""
    tests: dict[Kind, tuple[bool, str]] = {
        Kind.INTEGER: (pa.types.is_integer(found), "integers"),
        Kind.DATE: (pa.types.is_date(found), "DATE"),
        Kind.TIME: (pa.types.is_time(found), "TIME"),
        Kind.TIMESTAMP: (pa.types.is_timestamp(found), "TIMESTAMP or TIMESTAMP WITH TIME ZONE"),
        Kind.DECIMAL: (_holds(scalar, found), f"a decimal with at most {scalar.scale} digits after the point"),
    }
    fits, expected = tests.get(field.kind, (True, ""))
    if not fits and not pa.types.is_null(found):
        return f"expected {expected}: cast it in the query"
    if field.kind == Kind.TIMESTAMP and field.ticks > _MICROSECONDS:
        return "expected microseconds or milliseconds, since DuckDB has no nanoseconds with a time zone"
    if field.kind == Kind.TIMESTAMP and fits and found.tz is None and zone not in _UTC:
        return f"without a time zone it would be taken for {zone}: SET TimeZone = 'UTC'"
    return ""


def _holds(scalar: Scalar, found: pa.DataType) -> bool:
    """Whether a decimal holds the values of a type."""
    return bool(pa.types.is_integer(found) or (pa.types.is_decimal(found) and found.scale <= scalar.scale))


def _at(found: pa.DataType, path: str) -> pa.DataType | None:
    """Return the type at a path of structs; None if there is nothing."""
    for name in path.split("."):
        if not pa.types.is_struct(found) or found.get_field_index(name) < 0:
            return None
        found = found.field(name).type
    return found


def _struct(tree: dict[str, Any]) -> str:
    parts = (f"{quoted(name)} {_struct(each) if isinstance(each, dict) else each}" for name, each in tree.items())
    return f"STRUCT({', '.join(parts)})"


def quoted(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")
