"""The explanations of several arms as those of one batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import NO_COLUMN, NO_SLOT, Explanations


def together(parts: Sequence[tuple[NDArray[np.int64], Explanations]], rows: int) -> Explanations | None:
    """Return the explanations of all arms as one; each model has columns of its own.

    Args:
        parts: int64 [rows of the arm] and its explanations, with one slot for each of these rows.
        rows: how many the batch has.
    """
    if not parts:
        return None
    lines, top = sum(len(part.columns) for _, part in parts), max(part.columns.shape[1] for _, part in parts)
    whole = Explanations(
        names=tuple(name for _, part in parts for name in part.names),
        slots=np.full(rows, NO_SLOT, np.int32),
        columns=np.full((lines, top), NO_COLUMN, np.int32),
        values=np.full((lines, top), np.nan),
        contributions=np.zeros((lines, top)),
    )
    line = name = 0
    for at, part in parts:
        end, width = line + len(part.columns), part.columns.shape[1]
        has = part.slots != NO_SLOT
        whole.slots[at[has]] = part.slots[has] + line
        whole.columns[line:end, :width] = np.where(part.columns == NO_COLUMN, NO_COLUMN, part.columns + name)
        whole.values[line:end, :width] = part.values
        whole.contributions[line:end, :width] = part.contributions
        line, name = end, name + len(part.names)
    return whole
