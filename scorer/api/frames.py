"""Converts DataFrames. Imported only if the caller has one, since pandas is not a dependency."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scorer.api.predictions import Columns
from scorer.api.values import in_ticks, plain
from scorer.avro.types.grammar import Scalar, Type, without_null

_NOT_A_TIME = np.iinfo(np.int64).min  # numpy's representation of NaT


def columns_of(frame: pd.DataFrame, fields: Mapping[str, Type]) -> list[tuple[str, list[Any]]]:
    """Return the name and the values of each column; None is null.

    NaN is null as well, except in a `float` or `double` that may not be null, or in a column that can tell null from
    NaN, as one of dtype object can.

    Args:
        frame: the rows.
        fields: the type of each field of the schema.
    """
    return [(str(name), _values(series, fields.get(str(name)))) for name, series in frame.items()]


def as_frame(columns: Columns, like: pd.DataFrame) -> pd.DataFrame:
    """Return predictions as a DataFrame with the index of the rows that were scored."""
    return pd.DataFrame({name: _series(name, values) for name, values in columns.items()}).set_index(like.index)


def _values(series: pd.Series, declared: Type | None) -> list[Any]:
    inner, nullable = without_null(declared) if declared else (None, True)
    meaning = inner.meaning if isinstance(inner, Scalar) else ""
    if isinstance(inner, Scalar) and meaning == "timestamp" and _is_datetime(series):
        return _moments(series, inner.ticks)
    floats = isinstance(series.dtype, np.dtype) and series.dtype.kind == "f"
    keeps_nan = meaning in {"float", "double"} and not (nullable and floats)
    values = [plain(value) for value in series.tolist()]
    return values if keeps_nan else [None if _is_nan(value) else value for value in values]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_datetime(series: pd.Series) -> bool:
    dtype = series.dtype
    return isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M")


def _moments(series: pd.Series, ticks: int) -> list[int | None]:
    """Return datetime64 as numbers in the unit of the field: exact, and for years that no datetime has."""
    utc = series.dt.tz_convert(None) if series.dt.tz is not None else series
    numbers = utc.to_numpy().view(np.int64).tolist()
    return in_ticks([None if number == _NOT_A_TIME else number for number in numbers], series.dt.unit, ticks)


def _series(name: str, values: list[Any]) -> pd.Series:
    match name:
        case "event_time" | "scored_at":
            milliseconds = np.array([_NOT_A_TIME if value is None else value for value in values], np.int64)
            return pd.Series(milliseconds.view("datetime64[ms]")).dt.tz_localize("UTC")
        case "score" if not any(isinstance(value, list) for value in values):
            return pd.Series(values, dtype=np.float64)
        case "degraded":
            return pd.Series(values, dtype=np.bool_)
        case "score" | "missing" | "explanation":
            return pd.Series(values, dtype=object)
        case "source_partition" | "source_offset":
            return pd.Series(values, dtype="Int64")
        case _:
            return pd.Series(values, dtype="str")
