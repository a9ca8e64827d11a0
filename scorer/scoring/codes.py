"""Categories that are whole numbers, and the code of each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import UNKNOWN_CATEGORY


class Codes:
    """Looks numbers up among the categories of a column.

    Args:
        numbers: the categories, distinct; the index of each is its code.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        whole = np.array(numbers, np.int64)
        self._codes = np.argsort(whole, kind="stable")
        self._whole = whole[self._codes]
        self._floats = self._whole.astype(np.float64)

    def of(self, values: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the code of each number [rows]; a NaN if it is none, which is UNKNOWN_CATEGORY unless it was NaN."""
        known = self._floats if values.dtype.kind == "f" else self._whole  # float64 cannot hold a long beyond 2^53
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        unknown = np.where(np.isnan(values), np.nan, UNKNOWN_CATEGORY)
        return np.where(known[at] == values, self._codes[at], unknown)
