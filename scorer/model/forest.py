"""The trees of a booster as the flat arrays of the kernel in `scorer.model.trees`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.model.nodes import Damaged, Document, Nodes, Places, read_nodes, walk

BLOCK = 128  # rows that go down a tree together
MOST_WORDS = 1 << 24  # of category sets: 64 MiB

Ints = NDArray[np.int32]


class NotCovered(ValueError):
    """The model is sound, and of a kind that only the booster itself evaluates."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees of any shape: one after the other, the nodes of a tree level by level, siblings side by side.

    Rows go down in blocks, which are columns of BLOCK values: each of `features` with -inf where it is missing, each
    again with +inf, one column of NaN, then each of `categorical` as a code, missing being a code that goes left, and
    each again with one that goes right. A node reads the copy that sends a missing value in its default direction.

    After the last node comes one that none leads to: what would be the right sibling of a root is there to be read.
    """

    features: Ints  # [used]: the features that any split reads
    categorical: Ints  # [2, categorical]: a place in `features`, and how many categories it has
    column: Ints  # [nodes + 1]: where in a block the node's column begins; the NaN for a leaf
    value: NDArray[np.float32]  # [nodes + 1]: a split's threshold, what is less goes left; a leaf's value
    left: Ints  # [nodes + 1]: the left child, before the right one; a leaf is its own
    first: Ints  # [nodes]: where in `words` the set of a split by categories begins; -1 for the others
    words: NDArray[np.uint32]  # sets of codes that go right, as bits
    trees: Ints  # [4, trees]: root, depth, the output that the tree adds to, whether a split is by categories


def flatten(learner: Document, columns: int, outputs: int) -> Forest:
    """Flatten the trees of a saved model.

    Args:
        learner: of the saved model, as `ubjson.read` gives it.
        columns: how many features a row has.
        outputs: how many sums the trees add to.

    Raises:
        Damaged: if a tree points to a node, a feature or an output that is not there.
        NotCovered: if a tree is of a kind that is not known here.
    """
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        raise NotCovered("gblinear has no trees")
    model = booster.get("gbtree", booster)["model"]  # dart keeps its trees in a gbtree
    groups = np.array(model["tree_info"], np.int64)
    if ((groups < 0) | (groups >= outputs)).any():
        raise Damaged(f"a tree adds to an output that is not one of its {outputs}")
    nodes = read_nodes(model["trees"])
    order, level = walk(nodes, columns)
    if any("leaf_weights" in tree for tree in model["trees"]):
        raise NotCovered("its leaves are vectors")
    split = order[~nodes.leaf[order]]
    if not np.isfinite(nodes.value[split[~nodes.by_category[split]]]).all():
        raise NotCovered("thresholds in it are not finite")
    if "weight_drop" in booster:  # the booster adds each tree of dart to zero, and that times its weight to the sum
        weights = np.array(booster["weight_drop"], np.float32)[nodes.tree]
        nodes.value[nodes.leaf] = (np.float32(0) + nodes.value[nodes.leaf]) * weights[nodes.leaf]
    return _lay_out(nodes, order, level, groups)


def _lay_out(nodes: Nodes, order: Places, level: Places, groups: Places) -> Forest:
    moved = np.zeros(len(nodes.tree), np.int64)  # where each node goes
    moved[order] = np.arange(len(order))
    leaf = nodes.leaf[order]
    by_category = nodes.by_category[order] & ~leaf
    features, read = np.unique(nodes.feature[order[~leaf]], return_inverse=True)
    place = np.zeros(len(order), np.int64)  # of each split's feature in `features`
    place[~leaf] = read
    categorical, code = np.unique(place[by_category], return_inverse=True)
    column = np.where(nodes.default_left[order], place, place + len(features))
    column[leaf] = nan = 2 * len(features)
    column[by_category] = nan + 1 + code + np.where(nodes.default_left[order[by_category]], 0, len(categorical))
    member = by_category[moved[nodes.member]] & (order[moved[nodes.member]] == nodes.member)
    counts, first, words = _sets(place, by_category, moved[nodes.member[member]], nodes.category[member])
    roots = np.flatnonzero(level == 0)
    depth = np.maximum.reduceat(level, roots) if len(roots) else level
    with_sets = np.bincount(nodes.tree[order], by_category, len(groups)) > 0
    left = np.where(leaf, np.arange(len(order)), moved[nodes.left[order]])
    return Forest(
        features=features.astype(np.int32),
        categorical=np.stack([categorical, counts[categorical]]).astype(np.int32),
        column=(np.append(column, nan) * BLOCK).astype(np.int32),
        value=np.append(nodes.value[order], np.float32(0)),
        left=np.append(left, 0).astype(np.int32),
        first=first.astype(np.int32),
        words=words,
        trees=np.stack([roots, depth, groups, with_sets]).astype(np.int32),
    )


def _sets(
    place: Places, by_category: NDArray[np.bool_], member: Places, category: Places
) -> tuple[Places, Places, NDArray[np.uint32]]:
    """Lay the sets of categories out as bits.

    Each set has a bit for every category of its feature, one for all that were never seen, which go left, and one for
    a missing value that goes right.

    Returns:
        How many categories each feature has, where each node's set begins in the words, the words.
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
