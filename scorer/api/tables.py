"""Converts Arrow tables. Imported only if the caller has one, since pyarrow is not a dependency."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from scorer.api.predictions import Columns
from scorer.api.values import in_ticks, plain
from scorer.avro.grammar import Scalar, Type, without_null

_MOMENT = pa.timestamp("ms", "UTC")
_NUMBER = pa.float64()
_CONTRIBUTION = pa.struct({"column": pa.string(), "value": _NUMBER, "contribution": _NUMBER})
_TYPES = {
    "event_id": pa.string(),
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
}


def columns_of(table: pa.Table, fields: Mapping[str, Type]) -> list[tuple[str, list[Any]]]:
    """Return the name and the values of each column; None is null, and NaN stays NaN.

    Args:
        table: the rows.
        fields: the type of each field of the schema.
    """
    pairs = zip(table.column_names, table.columns, strict=True)
    return [(name, _values(column, fields.get(name))) for name, column in pairs]


def as_table(columns: Columns, *, several: bool) -> pa.Table:
    """Return predictions as a table.

    Args:
        columns: the predictions.
        several: whether a score is a list of numbers.
    """
    score = pa.list_(pa.float64()) if several else pa.float64()
    return pa.table({name: pa.array(values, _TYPES.get(name, score)) for name, values in columns.items()})


def _values(column: pa.ChunkedArray, declared: Type | None) -> list[Any]:
    """Return the values of a column, with times as numbers in the field's unit: Python's types are not as exact."""
    match without_null(declared)[0] if declared else None:
        case Scalar(meaning="timestamp", ticks=ticks) if pa.types.is_timestamp(column.type):
            return in_ticks(column.cast(pa.int64()).to_pylist(), column.type.unit, ticks)
        case Scalar(meaning="time", ticks=ticks) if pa.types.is_time(column.type):
            numbers = column.cast(pa.int32() if pa.types.is_time32(column.type) else pa.int64()).to_pylist()
            return in_ticks(numbers, column.type.unit, ticks)
        case Scalar(meaning="date") if pa.types.is_date(column.type):
            return list(column.cast(pa.date32()).cast(pa.int32()).to_pylist())
    maps = {"maps_as_pydicts": "strict"} if pa.types.is_nested(column.type) else {}
    return [plain(value) for value in column.to_pylist(**maps)]
