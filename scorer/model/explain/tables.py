"""Tables that make contributions cheap: what each group of splits adds to each column, for every way a row can go.

The contribution of a leaf to a column depends only on which splits of the leaf's path a row satisfies. So each tree is
cut into subtrees of a few splits, counting those on the path to the subtree. For such a group, a table holds the sum of
the contributions of its leaves for each combination of answers, by column. To explain a row is then to evaluate the
splits, and to add one number for each group and column.

The contributions are those of path-dependent TreeSHAP, as `pred_contribs` computes them. For a leaf of value v whose
path reads d distinct columns, where z is the share of the training weight that the splits of a column let through, and
o is 1 if the row satisfies them all and else 0, the contribution of column i is

    v (o[i] - z[i]) * integral over t from 0 to 1 of the product over j != i of (z[j] (1 - t) + o[j] t)

which is a polynomial in t, so that (d + 1) / 2 points of Gauss and Legendre integrate it exactly. Every factor is at
least 0, so nothing cancels out.
"""

from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import Floats, Floats2, Ints, Ints32, Singles, entry, kernel
from scorer.model.explain.groups import MOST_BITS, QUEUE, Cut, Groups, gather
from scorer.model.trees.forest import Forest


class Tables(NamedTuple):
    """What explains rows."""

    forest: Forest
    groups: Groups
    cells: Singles  # [Groups.table_starts[-1]]: what each group adds to each of its columns


class Quadrature(NamedTuple):
    """Points between 0 and 1 and their weights, with which a polynomial is integrated."""

    points: Floats2  # [columns + 1, points]: those for a path of so many columns
    weights: Floats2  # [columns + 1, points]


class Bench(NamedTuple):
    """What the kernel that fills the tables works in."""

    queue: Ints32  # [QUEUE]: the nodes of a group's subtree
    place: Ints32  # [MOST_BITS]: each column of a path among those of the group
    mask: Ints  # [MOST_BITS]: the bits of the path's splits on each column
    wanted: Ints  # [MOST_BITS]: their answers that lead to the leaf
    share: Floats  # [MOST_BITS]: the share of the weight that the column's splits let through
    before: Floats  # [MOST_BITS + 1]: the product of the factors of earlier columns
    leaf: Floats  # [2 ** bits * bits]: what the leaf adds, by satisfied columns, then column
    total: Floats  # [2 ** bits * bits]: the table of the group

    @classmethod
    def of(cls, bits: int) -> "Bench":
        """Return room for groups of so many splits."""
        cells = bits << bits
        ints, words, floats = np.zeros(MOST_BITS, np.int32), np.zeros(MOST_BITS, np.int64), np.zeros(MOST_BITS + 1)
        queue = np.zeros(QUEUE, np.int32)
        return cls(queue, ints, words, words.copy(), floats[:-1].copy(), floats, np.zeros(cells), np.zeros(cells))


def quadrature() -> Quadrature:
    """Return the points for paths of up to MOST_BITS columns."""
    points, weights = (np.zeros((MOST_BITS + 1, (MOST_BITS + 1) // 2)) for _ in range(2))
    for columns in range(1, MOST_BITS + 1):
        count = (columns + 1) // 2
        at, weight = np.polynomial.legendre.leggauss(count)
        points[columns, :count], weights[columns, :count] = (at + 1) / 2, weight / 2
    return Quadrature(points, weights)


@kernel
def _bit_of(node: int, group: int, cut: Cut) -> np.int64:
    """Return the bit of a split in the combinations of a group."""
    shape, groups = cut.shape, cut.groups
    at = groups.decision_starts[group]
    while groups.decisions[at] != shape.number[node]:
        at += 1
    return np.int64(1) << np.int64(at - groups.decision_starts[group])


@kernel
def _trace(leaf: int, group: int, cut: Cut, bench: Bench) -> int:
    """Fill `mask`, `wanted`, `place` and `share` of the path to a leaf, and return how many columns it reads."""
    forest, shape, groups = cut.forest, cut.shape, cut.groups
    columns, node = 0, leaf
    first = groups.feature_starts[group]
    while shape.parent[node] >= 0:
        parent = shape.parent[node]
        place = 0
        while groups.features[first + place] != shape.feature[parent]:
            place += 1
        at = 0
        while at < columns and bench.place[at] != place:
            at += 1
        if at == columns:
            bench.place[at], bench.mask[at], bench.wanted[at], bench.share[at] = place, 0, 0, 1.0
            columns += 1
        bit = _bit_of(parent, group, cut)
        bench.mask[at] |= bit
        if node != forest.left[parent]:
            bench.wanted[at] |= bit
        bench.share[at] *= shape.cover[node] / shape.cover[parent]
        node = parent
    return columns


@kernel
def _integrate(value: float, columns: int, rule: Quadrature, bench: Bench) -> None:
    """Fill `leaf`: what a leaf of some value adds to each column of its path, for each set of satisfied columns."""
    for satisfied in range(1 << columns):
        for column in range(columns):
            bench.leaf[satisfied * columns + column] = 0.0
        for point in range((columns + 1) // 2):
            t, weight = rule.points[columns, point], rule.weights[columns, point]
            bench.before[0] = weight * value
            for column in range(columns):
                factor = bench.share[column] * (1.0 - t) + ((satisfied >> column) & 1) * t
                bench.before[column + 1] = bench.before[column] * factor
            after = 1.0
            for column in range(columns - 1, -1, -1):
                satisfies = (satisfied >> column) & 1
                own = satisfies - bench.share[column]
                bench.leaf[satisfied * columns + column] += own * bench.before[column] * after
                after *= bench.share[column] * (1.0 - t) + satisfies * t


@kernel
def _add_leaf(bits: int, columns: int, bench: Bench) -> None:
    """Add a leaf to the table of a group of some splits, for each combination of their answers."""
    for answers in range(1 << bits):
        satisfied = np.int64(0)
        for column in range(columns):
            satisfied |= np.int64((answers & bench.mask[column]) == bench.wanted[column]) << np.int64(column)
        for column in range(columns):
            bench.total[(np.int64(bench.place[column]) << bits) + answers] += bench.leaf[satisfied * columns + column]


@entry
def fill_tables(cut: Cut, rule: Quadrature, bench: Bench, tables: Singles) -> None:
    """Compute the tables of all groups.

    Args:
        cut: with groups that are filled by `list_groups`.
        rule: the quadrature.
        bench: what the kernel works in.
        tables: float32 [table_starts[-1]], output.
    """
    forest, groups = cut.forest, cut.groups
    for group in range(len(groups.roots)):
        bits = groups.decision_starts[group + 1] - groups.decision_starts[group]
        start, size = groups.table_starts[group], groups.table_starts[group + 1] - groups.table_starts[group]
        bench.total[:size] = 0.0
        for at in range(gather(groups.roots[group], forest, bench.queue)):
            leaf = bench.queue[at]
            if forest.left[leaf] == leaf:
                columns = _trace(leaf, group, cut, bench)
                _integrate(np.float64(forest.value[leaf]), columns, rule, bench)
                _add_leaf(bits, columns, bench)
        for cell in range(size):
            tables[start + cell] = bench.total[cell]
