"""The trees of a booster as the flat arrays of the kernel in `scorer.model.trees`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.model.nodes import Damaged, Document, Nodes, Places, read_nodes, walk

BLOCK = 128  # rows that go down a tree together
MOST_WORDS = 1 << 24  # most words for sets of categories: 64 MiB

Ints = NDArray[np.int32]


class NotCovered(ValueError):
    """The model is valid, but of a kind that only the booster itself can evaluate."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees of any shape, concatenated: the nodes of a tree level by level, siblings side by side.

    Rows go down the trees in blocks. A block has columns of BLOCK values: first each of `features` with -inf for a
    missing value, then each again with +inf, then one column of NaN, then each of `categorical` as a code, with a code
    that goes left for a missing value, then each again with a code that goes right. A node reads the copy that sends a
    missing value in its default direction.

    An unreachable node follows the last one: the kernel may read the right sibling of a root, so it has to exist.
    """

    features: Ints  # [used]: the features that any split reads
    categorical: Ints  # [2, categorical]: an index in `features`, and how many categories that feature has
    column: Ints  # [nodes + 1]: where in a block the node's column begins; the NaN column for a leaf
    value: NDArray[np.float32]  # [nodes + 1]: a split's threshold (smaller values go left), or a leaf's value
    left: Ints  # [nodes + 1]: the left child, which the right one follows; a leaf is its own left child
    first: Ints  # [nodes]: where in `words` the set of a categorical split begins; -1 for other nodes
    words: NDArray[np.uint32]  # sets of codes that go right, as bits
    trees: Ints  # [4, trees]: root, depth, the output that the tree adds to, whether it has a categorical split


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
        raise NotCovered("it has thresholds that are not finite")
    if "weight_drop" in booster:  # for dart, the booster adds 0 + leaf, times the tree's weight, to the sum
        weights = np.array(booster["weight_drop"], np.float32)[nodes.tree]
        nodes.value[nodes.leaf] = (np.float32(0) + nodes.value[nodes.leaf]) * weights[nodes.leaf]
    return _lay_out(nodes, order, level, groups)


def _lay_out(nodes: Nodes, order: Places, level: Places, groups: Places) -> Forest:
    moved = np.zeros(len(nodes.tree), np.int64)  # the new index of each node
    moved[order] = np.arange(len(order))
    leaf = nodes.leaf[order]
    by_category = nodes.by_category[order] & ~leaf
    features, read = np.unique(nodes.feature[order[~leaf]], return_inverse=True)
    place = np.zeros(len(order), np.int64)  # the index of each split's feature in `features`
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
