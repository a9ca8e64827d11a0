"""Converts values in rows from numpy's and pandas' types to Python's."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_PLAIN = frozenset({str, int, float, bool, type(None)})
_MISSING = frozenset({"NAType", "NaTType"})  # the names of pandas' types, since pandas may not be imported


def plain(value: Any) -> Any:  # noqa: ANN401  a cell may hold anything
    """Convert numpy's scalars and arrays, and pandas' nulls, to Python's; return any other value unchanged."""
    if type(value) in _PLAIN:
        return value
    match value:
        case np.datetime64():  # its item would be a number of nanoseconds, whatever the unit of the field
            return None if np.isnat(value) else str(value)
        case np.generic():
            return value.item()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case np.ndarray() | list() | tuple():
            return [plain(item) for item in value]
        case _:
            return None if type(value).__name__ in _MISSING else value


def in_ticks(numbers: list[int | None], unit: str, ticks: int) -> list[int | None]:
    """Convert times to the ticks of a field; fractions of a tick are cut off, as in text.

    Args:
        numbers: the time since the epoch or midnight; None is null.
        unit: the unit of the numbers: `s`, `ms`, `us` or `ns`.
        ticks: the number of the field's ticks in a second.
    """
    each = _PER_SECOND[unit]
    return [None if number is None else number * ticks // each for number in numbers]


_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
