"""Reads the caller's rows: a list of dicts, or a DataFrame."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from scorer.api.predictions import Columns, as_dicts
from scorer.api.values import plain
from scorer.avro.types.grammar import Record
from scorer.errors import Misconfigured, Problem


class Rows(NamedTuple):
    """Rows, and how to return their predictions."""

    events: list[Any]  # each a dict of Python values, unless the caller gave something else
    to_callers_form: Callable[[Columns], Any]  # converts predictions to the kind of object that the rows were


def is_table(rows: object) -> bool:
    """Whether rows are a pyarrow Table."""
    pyarrow = sys.modules.get("pyarrow")
    return bool(pyarrow and isinstance(rows, pyarrow.Table))


def read_rows(rows: Any, record: Record) -> Rows:  # noqa: ANN401  any of two kinds
    """Return rows as events.

    Args:
        rows: a DataFrame, or dicts.
        record: the type of an event.

    Raises:
        TypeError: the rows are none of these.
        Misconfigured: two columns have the same name.
    """
    fields = {member.name: member.type for member in record.members}
    pandas = sys.modules.get("pandas")
    if pandas and isinstance(rows, pandas.DataFrame):
        from scorer.api import frames  # noqa: PLC0415  imports pandas, which this caller has

        return Rows(_events(frames.columns_of(rows, fields), len(rows)), partial(frames.as_frame, like=rows))
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Iterable):
        one = "; put a single row into a list" if isinstance(rows, Mapping) else ""
        raise TypeError(f"expected a list of dicts, a DataFrame or a pyarrow Table, not {type(rows).__name__}{one}")
    return Rows([plain(row) for row in rows], as_dicts)


def _events(columns: list[tuple[str, list[Any]]], rows: int) -> list[dict[str, Any]]:
    names = [name for name, _ in columns]
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise Misconfigured([Problem(f"column '{name}'", "occurs more than once", "keep one") for name in twice])
    if not columns:
        return [{} for _ in range(rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*(values for _, values in columns), strict=True)]
