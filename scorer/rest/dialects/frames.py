"""Rows in the forms in which pandas and TensorFlow write tables."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from scorer.rest.messages import wrong


def split_rows(frame: object, where: str) -> list[Any]:
    """Return the rows of `{"columns": [...], "data": [[...]]}` by name, or in order if there are no columns.

    Raises:
        Refused: it has another form.
    """
    if not isinstance(frame, Mapping) or not isinstance(frame.get("data"), list):
        raise wrong(where, frame, 'an object: {"columns": [names], "data": [[values]]}')
    data: list[Any] = frame["data"]
    names = frame.get("columns")
    if names is None:
        return data
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or _twice(names):
        raise wrong(f"{where}.columns", names, "a list of distinct names")
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(names):
            raise wrong(f"{where}.data[{number}]", row, f"an array of {len(names)} values, one for each column")
    return [dict(zip(names, row, strict=True)) for row in data]


def column_rows(columns: object, where: str, lists: AbstractSet[str]) -> list[Any]:
    """Return the rows of `{"name": [values], ...}`, or of a list of rows.

    A value may be an array of one item, as TensorFlow and MLflow write columns.

    Args:
        columns: the document.
        where: its place, for errors.
        lists: the names of fields whose values are lists.

    Raises:
        Refused: it has another form.
    """
    if isinstance(columns, list):
        return columns
    if not isinstance(columns, Mapping) or not columns:
        raise wrong(where, columns, "a list of rows, or an object with a list of values for each column")
    rows: int | None = None
    for name, values in columns.items():
        if not isinstance(values, list):
            raise wrong(f"{where}.{name}", values, "a list with a value for each row")
        if rows is not None and len(values) != rows:
            raise wrong(f"{where}.{name}", len(values), f"{rows} values, as the columns before")
        rows = len(values)
    table: Sequence[Sequence[Any]] = [
        values if name in lists else [_alone(value) for value in values] for name, values in columns.items()
    ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*table, strict=True)]


def _alone(value: Any) -> Any:  # noqa: ANN401  JSON
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _twice(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)
