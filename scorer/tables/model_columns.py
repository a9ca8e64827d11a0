"""Tables that have the columns of a model, rather than the fields of events."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.batch import UNKNOWN_CATEGORY, Kind
from scorer.errors import Misconfigured, Problem
from scorer.tables.files import TableFile

_EXPECTED = "expected numbers; or, in a column of categories, also their names"


def model_rows(path: Path, columns: Mapping[str, Sequence[str | int]]) -> Iterator[NDArray[np.float32]] | None:
    """Return the rows of a file as the model sees them, float32 [rows, columns], batch by batch.

    Args:
        path: its name ends in .parquet or .csv.
        columns: the model's columns in order, each with its categories; without any, it has numbers.

    Returns:
        None if the file lacks a column of the model, so that it must be one of events.

    Raises:
        Misconfigured: it cannot be read, or a column has something else.
    """
    table = TableFile(path, {name: _kind(categories) for name, categories in columns.items()})
    if not set(columns) <= set(table.schema.names):
        return None
    return (
        np.stack([_singles(batch.column(name), columns[name], f"{path} column {name}") for name in columns], axis=1)
        for batch in table.batches()
    )


def _kind(categories: Sequence[str | int]) -> Kind:
    return Kind.TEXT if categories and isinstance(categories[0], str) else Kind.FLOAT


def _singles(column: pa.Array, categories: Sequence[str | int], where: str) -> NDArray[np.float32]:
    """Return a column as float32; a name of a category as its code, and any other as UNKNOWN_CATEGORY."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        if not categories:
            raise Misconfigured([Problem(where, "has text, and the model numbers", _EXPECTED)])
        codes = {str(name): float(code) for code, name in enumerate(categories)}
        found = [np.nan if each is None else codes.get(each, UNKNOWN_CATEGORY) for each in column.to_pylist()]
        return np.array(found).astype(np.float32)
    try:
        numbers = np.asarray(pc.cast(column, pa.float64(), safe=False).fill_null(np.nan))
    except (pa.ArrowException, TypeError) as error:
        raise Misconfigured([Problem(where, f"has {column.type}", _EXPECTED)]) from error
    return numbers.astype(np.float32)
