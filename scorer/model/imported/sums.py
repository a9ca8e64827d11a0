"""Adds the leaves of each row in float64, tree by tree as other libraries do, with the descent of XGBoost's kernel."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Floats, Floats2, Singles2, entry
from scorer.model.forest import BLOCK, Forest, fill
from scorer.model.imported.grown import Doubles
from scorer.model.trees import Work, descend, descend_sets, enter, next_node, split_at


class Leaves(NamedTuple):
    """What is added up, beside the forest."""

    value: Floats  # [nodes + 1]: a leaf's value
    base: Floats  # [outputs]: the margins without any tree
    total: Floats  # [outputs * BLOCK]: the margins of each row so far


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
        block = np.empty(forest.columns.end * BLOCK, np.float32)
        work = Work(block, np.empty(BLOCK, np.int32), np.empty(0, np.float32))
        _add_leaves(rows, forest, Leaves(self._leaves, self._base, np.empty(outputs * BLOCK)), work, out)
        return out


@entry
def _add_leaves(rows: Singles2, forest: Forest, leaves: Leaves, work: Work, out: Floats2) -> None:
    """Compute the margins of rows, BLOCK at a time.

    Args:
        rows: float32 [rows, columns of the model].
        forest: the trees.
        leaves: their values, and the sums.
        work: what the kernel works in.
        out: float64 [rows, outputs], output.
    """
    trees, block, node = forest.trees, work.block, work.node
    value, base, total = leaves.value, leaves.base, leaves.total
    for start in range(0, len(rows), BLOCK):
        count = min(BLOCK, len(rows) - start)
        fill(rows, start, count, forest, block)
        for output in range(len(base)):
            total[output * BLOCK : output * BLOCK + count] = base[output]
        for tree in range(trees.shape[1]):
            if trees[3, tree]:
                descend_sets(trees[0, tree], trees[1, tree], forest, work, count)
            else:
                enter(trees[0, tree], forest, work, count)
                descend(trees[1, tree] - 4, forest, work, count)
            at = trees[2, tree] * BLOCK
            for row in range(count):  # the last level; a row at a leaf stays there
                leaf = next_node(split_at(np.uint32(node[row]), forest), row, block)
                total[at + row] += value[np.uint32(leaf)]
        for row in range(count):
            for output in range(len(base)):
                out[start + row, output] = total[output * BLOCK + row]
