"""Adds the leaves of each row in float64, tree by tree as other libraries do, with the descent of XGBoost's kernel."""

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Floats2, Singles2, entry
from scorer.model.imported.grown import Doubles
from scorer.model.trees.forest import BLOCK, Forest
from scorer.model.trees.trees import DoubleLeaves, Work, add_up


class Sums:
    """The trees of a model, ready to compute margins.

    Args:
        forest: the trees.
        leaves: [nodes], the value of each leaf, in the forest's order.
        base: [outputs], the margins without any tree.
    """

    def __init__(self, forest: Forest, leaves: Doubles, base: Doubles) -> None:
        self._forest, self._leaves, self._base = forest, np.append(leaves, 0.0), base

    def margins(self, rows: NDArray[np.float32]) -> Doubles:
        """Return the margins [rows, outputs] of rows [rows, columns]; the latter are contiguous and writable."""
        outputs, forest = len(self._base), self._forest
        out = np.empty((len(rows), outputs))
        leaves = DoubleLeaves(self._leaves, self._base, np.empty(outputs * BLOCK))
        _add_doubles(rows, forest, leaves, Work.of(forest), out)
        return out


@entry
def _add_doubles(rows: Singles2, forest: Forest, leaves: DoubleLeaves, work: Work, out: Floats2) -> None:
    """See `add_up`."""
    add_up(rows, forest, leaves, work, out)
