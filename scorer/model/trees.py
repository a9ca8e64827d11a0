"""Scores rows with the trees of a booster in a compiled kernel: equal to the booster bit for bit, several times faster.

It is fast because the rows of a block go down a tree together, level by level and without branches: the processor works
on many rows at a time, and mispredicts no branch. A missing value needs no branch (see Forest), and a leaf leads to
itself, so trees of any shape run to their own depth. The compiler vectorises the three levels below the root.
It is exact because each output starts at the booster's base margin and adds the leaves in float32 in the order of the
trees, and because margins become scores by XGBoost's arithmetic with the same `expf`. Nothing is taken on trust:
`scorer.model.agreement` compares the kernel with the booster on each model before it is used.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.model.forest import BLOCK, Forest, Ints, NotCovered

Rows = NDArray[np.float32]
Split = tuple[np.uintp, np.float32, np.int32]  # where the column begins in a block, the threshold, the left child

_ONE = np.float32(1)
_TINY = np.float32(1e-16)  # XGBoost adds this to avoid a division by zero
_MOST = np.float32(88.7)  # XGBoost's largest argument for `expf`


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
        if objective not in _LINKS:
            raise NotCovered(f"the objective {objective} is not supported")
        self._forest = forest
        self._base = base
        self.link = _LINKS[objective]

    def predict(self, matrix: Rows) -> Rows:
        """Score rows [rows, columns]; the result and its shape are those of `booster.predict`."""
        forest = self._forest
        margins = np.empty((len(matrix), len(self._base)), np.float32)
        _add_trees(
            np.require(matrix, np.float32, ("C", "W")),  # the kernel is compiled only for such arrays
            forest.features,
            forest.categorical,
            forest.column,
            forest.value,
            forest.left,
            forest.first,
            forest.words,
            forest.trees,
            self._base,
            margins,
            BLOCK,
        )
        return self.link(margins)


@kernel(refcounts=False)
def _fill(rows: Rows, features: Ints, categorical: Ints, block: Rows, most: int) -> None:
    """Fill the columns of a block from rows, in the layout that Forest describes."""
    used, sets = len(features), categorical.shape[1]
    codes = (2 * used + 1) * most
    block[2 * used * most : codes] = np.nan
    for row in range(len(rows)):
        for place in range(used):
            value = rows[row, features[place]]
            missing = np.isnan(value)
            block[place * most + row] = -np.inf if missing else value
            block[(used + place) * most + row] = np.inf if missing else value
        for place in range(sets):
            value = rows[row, features[categorical[0, place]]]
            count = categorical[1, place]
            code = np.float32(count)  # an unseen category
            if value >= 0 and value < count:
                code = np.float32(np.int32(value))
            block[codes + place * most + row] = code
            block[codes + (sets + place) * most + row] = np.float32(count + 1) if np.isnan(value) else code


@kernel(refcounts=False)
def _split(at: int | np.int32 | np.uint32, column: Ints, value: Rows, left: Ints) -> Split:
    return np.uintp(column[at]), value[at], left[at]


@kernel(refcounts=False)
def _goes_right(split: Split, row: int, block: Rows) -> np.bool_:
    column, threshold, _ = split
    return np.bool_(block[column + np.uintp(row)] >= threshold)  # unsigned: a negative index would count from the end


@kernel(refcounts=False)
def _next(split: Split, row: int, block: Rows) -> np.int32:
    """Return the child that a row goes to; at a leaf, the leaf itself."""
    return split[2] + np.int32(_goes_right(split, row, block))


@kernel(refcounts=False)
def _enter(root: int, column: Ints, value: Rows, left: Ints, block: Rows, node: Ints, count: int) -> None:  # noqa: PLR0913, PLR0917  as above
    """Write to `node` the node that each row reaches three levels below the root, or its leaf if that is higher up.

    All seven splits are evaluated for every row, and one result is selected. Each split reads its column from end to
    end, so the compiler vectorises it, and the three levels take no longer than one level of `_descend`.
    """
    top = _split(root, column, value, left)
    low, high = _split(top[2], column, value, left), _split(top[2] + 1, column, value, left)
    first, second = _split(low[2], column, value, left), _split(low[2] + 1, column, value, left)
    third, fourth = _split(high[2], column, value, left), _split(high[2] + 1, column, value, left)
    for row in range(count):
        of_first, of_second = _next(first, row, block), _next(second, row, block)
        of_third, of_fourth = _next(third, row, block), _next(fourth, row, block)
        of_low = of_second if _goes_right(low, row, block) else of_first
        of_high = of_fourth if _goes_right(high, row, block) else of_third
        node[row] = of_high if _goes_right(top, row, block) else of_low


@kernel(refcounts=False)
def _descend(node: Ints, levels: int, column: Ints, value: Rows, left: Ints, block: Rows, count: int) -> None:  # noqa: PLR0913, PLR0917  as above
    """Replace the node of each row by the node that the row reaches `levels` below."""
    for _ in range(levels):
        for row in range(count):
            node[row] = _next(_split(np.uint32(node[row]), column, value, left), row, block)


@kernel(refcounts=False)
def _descend_sets(  # noqa: PLR0913, PLR0917  as above
    root: int,
    depth: int,
    column: Ints,
    value: Rows,
    left: Ints,
    first: Ints,
    words: NDArray[np.uint32],
    block: Rows,
    node: Ints,
    count: int,
) -> None:
    """Write to `node` the leaf of each row, for trees with categorical splits.

    Both kinds of split are evaluated for every row, and one result is selected: evaluating only one would be a branch.
    For a numeric split the code is meaningless, so it must not select the word.
    """
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


@kernel(
    "void(float32[:, ::1], int32[::1], int32[:, ::1], int32[::1], float32[::1], int32[::1], int32[::1], uint32[::1],"
    " int32[:, ::1], float32[::1], float32[:, ::1], int64)"
)
def _add_trees(  # noqa: PLR0913, PLR0917  the arguments are the fields of a Forest
    rows: Rows,
    features: Ints,
    categorical: Ints,
    column: Ints,
    value: Rows,
    left: Ints,
    first: Ints,
    words: NDArray[np.uint32],
    trees: Ints,
    base: Rows,
    out: Rows,
    most: int,
) -> None:
    """Write the margins of rows [rows, columns] to `out` [rows, outputs], `most` rows at a time."""
    block = np.empty((2 * len(features) + 1 + 2 * categorical.shape[1]) * most, np.float32)
    node = np.empty(most, np.int32)
    total = np.empty(len(base) * most, np.float32)
    for start in range(0, len(rows), most):
        count = min(most, len(rows) - start)
        _fill(rows[start : start + count], features, categorical, block, most)
        for output in range(len(base)):
            total[output * most : output * most + count] = base[output]
        for tree in range(trees.shape[1]):
            if trees[3, tree]:
                _descend_sets(trees[0, tree], trees[1, tree], column, value, left, first, words, block, node, count)
            else:
                _enter(trees[0, tree], column, value, left, block, node, count)
                _descend(node, trees[1, tree] - 4, column, value, left, block, count)
            at = trees[2, tree] * most
            for row in range(count):  # the last level; a row at a leaf stays there
                leaf = _next(_split(np.uint32(node[row]), column, value, left), row, block)
                total[at + row] += value[np.uint32(leaf)]
        for row in range(count):
            for output in range(len(base)):
                out[start + row, output] = total[output * most + row]


@kernel("void(float32[::1])", refcounts=False)
def _to_probability(values: Rows) -> None:
    for at in range(len(values)):
        power = min(-values[at], _MOST)
        values[at] = _ONE / (math.exp(power) + _ONE + _TINY)


@kernel("void(float32[::1])", refcounts=False)
def _to_power(values: Rows) -> None:
    for at in range(len(values)):
        values[at] = math.exp(values[at])


@kernel("void(float32[:, ::1])", refcounts=False)
def _to_probabilities(values: Rows) -> None:
    for row in range(values.shape[0]):
        most = values[row, 0]
        for output in range(1, values.shape[1]):
            if values[row, output] > most or np.isnan(most):
                most = values[row, output]
        total = 0.0
        for output in range(values.shape[1]):
            values[row, output] = math.exp(values[row, output] - most)
            total += np.float64(values[row, output])
        for output in range(values.shape[1]):
            values[row, output] /= np.float32(total)


def _same(margins: Rows) -> Rows:
    return margins[:, 0] if margins.shape[1] == 1 else margins


def _logistic(margins: Rows) -> Rows:
    _to_probability(margins.reshape(-1))
    return _same(margins)


def _exponential(margins: Rows) -> Rows:
    _to_power(margins.reshape(-1))
    return _same(margins)


def _softmax(margins: Rows) -> Rows:
    _to_probabilities(margins)
    return _same(margins)


def _largest(margins: Rows) -> Rows:
    classes: Rows = margins.argmax(axis=1).astype(np.float32)
    return classes


def _hinge(margins: Rows) -> Rows:
    return _same((margins > 0).astype(np.float32))


_LINKS: dict[str, Callable[[Rows], Rows]] = {
    "binary:hinge": _hinge,
    "binary:logistic": _logistic,
    "binary:logitraw": _same,
    "count:poisson": _exponential,
    "multi:softmax": _largest,
    "multi:softprob": _softmax,
    "rank:map": _same,
    "rank:ndcg": _same,
    "rank:pairwise": _same,
    "reg:absoluteerror": _same,
    "reg:gamma": _exponential,
    "reg:logistic": _logistic,
    "reg:pseudohubererror": _same,
    "reg:quantileerror": _same,
    "reg:squarederror": _same,
    "reg:squaredlogerror": _same,
    "reg:tweedie": _exponential,
    "survival:cox": _exponential,
}
