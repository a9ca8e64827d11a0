"""Scores rows with the trees of a booster in a compiled kernel: equal to the booster bit for bit, several times faster.

It is fast because the rows of a block go down a tree together, level by level and without branches: the processor works
on many rows at a time, and mispredicts no branch. A missing value needs no branch (see `scorer.model.trees.forest`),
and a leaf leads to itself, so trees of any shape run to their own depth. The compiler vectorises the three levels below
the root.
It is exact because each output starts at the booster's base margin and adds the leaves in float32 in the order of the
trees, and because margins become scores by XGBoost's arithmetic (`scorer.model.trees.links`). Nothing is taken on
trust: `scorer.model.xgboost.agreement` compares the kernel with the booster on each model before it is used.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Floats, Floats2, Ints32, Singles, Singles2, entry, kernel
from scorer.model.trees.forest import BLOCK, Forest, NotCovered, fill
from scorer.model.trees.links import LINKS

Rows = NDArray[np.float32]
Split = tuple[np.uintp, np.float32, np.int32]  # where the column begins in a block, the threshold, the left child


class Work(NamedTuple):
    """What the kernel works in, while a block of rows goes down the trees."""

    block: Singles  # [columns * BLOCK]: see `scorer.model.trees.forest`
    node: Ints32  # [BLOCK]: the node that each row is at

    @classmethod
    def of(cls, forest: Forest) -> "Work":
        """Return room to work in; kernels do not allocate."""
        return cls(np.empty(forest.columns.end * BLOCK, np.float32), np.empty(BLOCK, np.int32))


class Leaves(NamedTuple):
    """What is added up in float32."""

    value: Singles  # [nodes + 1]: a leaf's value
    base: Singles  # [outputs]: the margins without any tree
    total: Singles  # [outputs * BLOCK]: the margins of each row so far


class DoubleLeaves(NamedTuple):
    """What is added up in float64; the fields are those of `Leaves`."""

    value: Floats
    base: Floats
    total: Floats


class Ensemble:
    """The trees of a booster, ready to score.

    Args:
        forest: the trees.
        base: [outputs], the margins without any tree.
        objective: the objective's name, which decides how margins become scores.

    Raises:
        NotCovered: if the objective is unknown.
    """

    def __init__(self, forest: Forest, base: Rows, objective: str) -> None:
        if objective not in LINKS:
            raise NotCovered(f"the objective {objective} is not supported")
        self.forest, self.base = forest, base
        self.link = LINKS[objective]

    def predict(self, matrix: Rows) -> Rows:
        """Score rows [rows, columns]; the result and its shape are those of `booster.predict`."""
        margins = np.empty((len(matrix), len(self.base)), np.float32)
        rows = matrix  # the kernel is compiled only for such arrays
        if not rows.flags.carray or rows.dtype != np.float32:
            rows = np.require(matrix, np.float32, ("C", "W"))
        leaves = Leaves(self.forest.value, self.base, np.empty(len(self.base) * BLOCK, np.float32))
        _add_singles(rows, self.forest, leaves, Work.of(self.forest), margins)
        return self.link(margins)


@kernel
def split_at(at: int | np.int32 | np.uint32, forest: Forest) -> Split:
    """Return the split at a node."""
    return np.uintp(forest.column[at]), forest.value[at], forest.left[at]


@kernel
def _goes_right(split: Split, row: int, block: Singles) -> np.bool_:
    """Return whether a row of a block, float32 [columns * BLOCK], goes to the right child."""
    column, threshold, _ = split
    return np.bool_(block[column + np.uintp(row)] >= threshold)  # unsigned: a negative index would count from the end


@kernel
def next_node(split: Split, row: int, block: Singles) -> np.int32:
    """Return the child that a row of a block, float32 [columns * BLOCK], goes to; at a leaf, the leaf itself."""
    return split[2] + np.int32(_goes_right(split, row, block))


@kernel
def enter(root: int, forest: Forest, work: Work, count: int) -> None:
    """Take each row three levels below the root, or to its leaf if that is higher up.

    All seven splits are evaluated for every row, and one result is selected. Each split reads its column from end to
    end, so the compiler vectorises it, and the three levels take no longer than one level of `descend`.

    Args:
        root: the root of the tree.
        forest: the trees.
        work: `node` is written.
        count: rows in the block.
    """
    block, node = work.block, work.node
    top = split_at(root, forest)
    low, high = split_at(top[2], forest), split_at(top[2] + 1, forest)
    first, second = split_at(low[2], forest), split_at(low[2] + 1, forest)
    third, fourth = split_at(high[2], forest), split_at(high[2] + 1, forest)
    for row in range(count):
        of_first, of_second = next_node(first, row, block), next_node(second, row, block)
        of_third, of_fourth = next_node(third, row, block), next_node(fourth, row, block)
        of_low = of_second if _goes_right(low, row, block) else of_first
        of_high = of_fourth if _goes_right(high, row, block) else of_third
        node[row] = of_high if _goes_right(top, row, block) else of_low


@kernel
def descend(levels: int, forest: Forest, work: Work, count: int) -> None:
    """Take each row of a tree without categorical splits down from its node.

    Args:
        levels: how far.
        forest: the trees.
        work: `node` is replaced.
        count: rows in the block.
    """
    block, node = work.block, work.node
    for _ in range(levels):
        for row in range(count):
            node[row] = next_node(split_at(np.uint32(node[row]), forest), row, block)


@kernel
def descend_sets(root: int, depth: int, forest: Forest, work: Work, count: int) -> None:
    """Take each row from the root to its leaf, in a tree with categorical splits.

    Both kinds of split are evaluated for every row, and one result is selected: evaluating only one would be a branch.
    For a numeric split the code is meaningless, so it must not select the word.

    Args:
        root: the root of the tree.
        depth: its levels.
        forest: the trees.
        work: `node` is written.
        count: rows in the block.
    """
    column, value, left, first, words = forest.column, forest.value, forest.left, forest.first, forest.words
    block, node = work.block, work.node
    node[:count] = root
    for _ in range(depth):
        for row in range(count):
            at = np.uint32(node[row])
            here, start = block[np.uint32(column[at] + row)], first[at]
            not_less = np.int32(here >= value[at])
            by_set, code = start >= 0, np.int32(here)
            word = words[np.uint32(start + (code >> np.int32(5)) if by_set else np.int32(0))]
            inside = np.int32((word >> np.uint32(code & np.int32(31))) & np.uint32(1))
            node[row] = left[at] + (inside if by_set else not_less)


@kernel
def add_up(rows: Singles2, forest: Forest, leaves: Leaves | DoubleLeaves, work: Work, out: Singles2 | Floats2) -> None:
    """Compute the margins of rows, BLOCK at a time.

    Args:
        rows: float32 [rows, columns of the model].
        forest: the trees.
        leaves: their values, and the sums, which have the type of `out`.
        work: what the kernel works in.
        out: [rows, outputs], output.
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


@entry
def _add_singles(rows: Singles2, forest: Forest, leaves: Leaves, work: Work, out: Singles2) -> None:
    """See `add_up`."""
    add_up(rows, forest, leaves, work, out)
