"""The trees of a booster as the flat arrays of the kernel in `scorer.model.trees.trees`, and the blocks of rows for it.

Rows go down the trees BLOCK at a time. A block has a column of BLOCK values for each feature that a split reads, twice,
since a node reads the copy that sends a missing value in its default direction. With features a and b, of which b has
categories, too, a block is laid out like this:

    column      low a   low b   high a  high b  nan   left b  right b
               +-------+-------+-------+-------+-----+-------+-------+
    a row      |   a   |   b   |   a   |   b   | NaN | code  | code  |
    missing    | -inf  | -inf  | +inf  | +inf  | NaN | count | count |
               |       |       |       |       |     |       |  + 1  |
               +-------+-------+-------+-------+-----+-------+-------+
    read by     splits by a threshold            leaves  splits by a set
    missing     left            right                   left    right

A leaf reads NaN, which is never at or above its value, so that it leads to its left child, which is itself. `count` is
that of the feature's categories. It is the code of an unseen category, too, which goes left.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Ints32, Singles, Singles2, Table32, Words, kernel
from scorer.model.learned.splits import by_column
from scorer.model.saved.nodes import Damaged, Document, Nodes, Places, grown_part, read_nodes, walk

BLOCK = 128  # rows that go down a tree together
MOST_WORDS = 1 << 24  # most words for sets of categories: 64 MiB


class NotCovered(ValueError):
    """The model is valid, but of a kind that only the booster itself can evaluate."""


def require_compiler() -> None:
    """Make sure that kernels are compiled.

    Raises:
        NotCovered: they are not: without the compiler, they would be too slow.
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise NotCovered("numba's compiler is switched off")


class Columns(NamedTuple):
    """The columns of a block: the first of each kind."""

    low: int  # of each feature, with -inf for a missing value
    high: int  # of each feature, with +inf for a missing value
    nan: int  # one column of NaN
    left: int  # of each categorical feature, as a code that goes left for a missing value
    right: int  # of each categorical feature, as a code that goes right for a missing value
    end: int  # how many columns there are

    @classmethod
    def of(cls, features: int, categorical: int) -> "Columns":
        """Return the columns for a number of features, and for those of them that have categories."""
        nan = 2 * features
        return cls(0, features, nan, nan + 1, nan + 1 + categorical, nan + 1 + 2 * categorical)


class Forest(NamedTuple):
    """Trees of any shape, concatenated: the nodes of a tree level by level, siblings side by side.

    An unreachable node follows the last one: the kernel may read the right sibling of a root, so it has to exist.
    """

    features: Ints32  # [used]: the features that any split reads
    categorical: Table32  # [2, categorical]: an index in `features`, and how many categories that feature has
    columns: Columns  # of a block
    column: Ints32  # [nodes + 1]: where in a block the node's column begins
    value: Singles  # [nodes + 1]: a split's threshold (smaller values go left), or a leaf's value
    left: Ints32  # [nodes + 1]: the left child, which the right one follows; a leaf is its own left child
    first: Ints32  # [nodes]: where in `words` the set of a categorical split begins; -1 for other nodes
    words: Words  # sets of codes that go right, as bits
    trees: Table32  # [4, trees]: root, depth, the output that the tree adds to, whether it has a categorical split

    def thresholds(self) -> list[NDArray[np.float32]]:
        """Return the distinct thresholds of each of `features`, ascending."""
        column, columns = self.column // BLOCK, self.columns
        feature = np.where(column < columns.high, column - columns.low, column - columns.high)
        feature[column >= columns.nan] = -1  # a leaf, or a split by a set
        found = by_column(feature, self.value, len(self.features))
        return [np.array(thresholds, np.float32) for thresholds in found]


@kernel
def fill(rows: Singles2, start: int, count: int, forest: Forest, block: Singles) -> None:
    """Fill a block from some rows.

    Args:
        rows: float32 [rows, columns of the model].
        start: the first of them.
        count: how many, BLOCK at most.
        forest: the trees.
        block: float32 [columns.end * BLOCK], output.
    """
    columns, features, categorical = forest.columns, forest.features, forest.categorical
    block[columns.nan * BLOCK : columns.left * BLOCK] = np.nan
    for row in range(count):
        for place in range(len(features)):
            value = rows[start + row, features[place]]
            missing = np.isnan(value)
            block[(columns.low + place) * BLOCK + row] = -np.inf if missing else value
            block[(columns.high + place) * BLOCK + row] = np.inf if missing else value
        for place in range(categorical.shape[1]):
            value = rows[start + row, features[categorical[0, place]]]
            categories = categorical[1, place]
            code = np.float32(categories)  # an unseen category
            if value >= 0 and value < categories:
                code = np.float32(np.int32(value))
            block[(columns.left + place) * BLOCK + row] = code
            missing_code = np.float32(categories + 1)
            block[(columns.right + place) * BLOCK + row] = missing_code if np.isnan(value) else code


def flatten(learner: Document, columns: int, outputs: int) -> Forest:
    """Flatten the trees of a saved model.

    Args:
        learner: the learner of the saved model, as `ubjson.read` returns it.
        columns: how many features a row has.
        outputs: how many outputs the trees add to.

    Raises:
        Damaged: if a tree points to a node, a feature or an output that does not exist.
        NotCovered: if a tree is of a kind that is not supported here.
    """
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        raise NotCovered("gblinear has no trees")
    model = grown_part(learner)["model"]
    groups = np.array(model["tree_info"], np.int64)
    if ((groups < 0) | (groups >= outputs)).any():
        raise Damaged(f"a tree adds to an output that is not one of its {outputs}")
    nodes = read_nodes(model["trees"])
    order, level = walk(nodes, columns)
    if any("leaf_weights" in tree for tree in model["trees"]):
        raise NotCovered("its leaves are vectors")
    split = order[~nodes.leaf[order]]
    if not np.isfinite(nodes.value[split[~nodes.by_category[split]]]).all():
        raise NotCovered("it has thresholds that are not finite")
    if "weight_drop" in booster:  # for dart, the booster adds 0 + leaf, times the tree's weight, to the sum
        weights = np.array(booster["weight_drop"], np.float32)[nodes.tree]
        nodes.value[nodes.leaf] = (np.float32(0) + nodes.value[nodes.leaf]) * weights[nodes.leaf]
    return lay_out(nodes, order, level, groups)


def lay_out(nodes: Nodes, order: Places, level: Places, groups: Places) -> Forest:
    """Lay trees out for the kernel.

    Args:
        nodes: the nodes of all trees; a smaller value than a split's goes left, and a category of its set goes right.
        order: see `walk`, as is `level`; the forest has the nodes in this order.
        level: the level of each of them.
        groups: [trees], the output that each tree adds to.

    Raises:
        NotCovered: if the sets of categories take too much memory.
    """
    moved = np.zeros(len(nodes.tree), np.int64)  # the new index of each node
    moved[order] = np.arange(len(order))
    leaf = nodes.leaf[order]
    by_category = nodes.by_category[order] & ~leaf
    features, read = np.unique(nodes.feature[order[~leaf]], return_inverse=True)
    place = np.zeros(len(order), np.int64)  # the index of each split's feature in `features`
    place[~leaf] = read
    categorical, code = np.unique(place[by_category], return_inverse=True)
    columns = Columns.of(len(features), len(categorical))
    default_left = nodes.default_left[order]
    column = place + np.where(default_left, columns.low, columns.high)
    column[leaf] = columns.nan
    column[by_category] = code + np.where(default_left[by_category], columns.left, columns.right)
    member = by_category[moved[nodes.member]] & (order[moved[nodes.member]] == nodes.member)
    counts, first, words = _sets(place, by_category, moved[nodes.member[member]], nodes.category[member])
    roots = np.flatnonzero(level == 0)
    depth = np.maximum.reduceat(level, roots) if len(roots) else level
    with_sets = np.bincount(nodes.tree[order], by_category, len(groups)) > 0
    left = np.where(leaf, np.arange(len(order)), moved[nodes.left[order]])
    return Forest(
        features=features.astype(np.int32),
        categorical=np.stack([categorical, counts[categorical]]).astype(np.int32),
        columns=columns,
        column=(np.append(column, columns.nan) * BLOCK).astype(np.int32),
        value=np.append(nodes.value[order], np.float32(0)),
        left=np.append(left, 0).astype(np.int32),
        first=first.astype(np.int32),
        words=words,
        trees=np.stack([roots, depth, groups, with_sets]).astype(np.int32),
    )


def _sets(
    place: Places, by_category: NDArray[np.bool_], member: Places, category: Places
) -> tuple[Places, Places, NDArray[np.uint32]]:
    """Encode the sets of categories as bits.

    Each set has a bit for every category of its feature, one for all unseen categories, which go left, and one for a
    missing value that goes right.

    Returns:
        How many categories each feature has; where each node's set begins in the words, or -1; the words.
    """
    counts = np.zeros(place.max(initial=0) + 1, np.int64)
    np.maximum.at(counts, place[member], category + 1)
    width = np.where(by_category, (counts[place] + 2 + 31) // 32, 0)
    if width.sum() > MOST_WORDS:
        raise NotCovered(f"its sets of categories take {4 * width.sum():,} bytes")
    first = np.cumsum(width) - width
    words = np.zeros(max(1, width.sum()), np.uint32)
    nodes = np.concatenate([member, np.flatnonzero(by_category)])
    bits = np.concatenate([category, counts[place[by_category]] + 1])
    np.bitwise_or.at(words, first[nodes] + (bits >> 5), np.uint32(1) << (bits & 31).astype(np.uint32))
    return counts, np.where(by_category, first, -1), words
