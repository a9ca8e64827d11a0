"""The nodes of a saved model's trees as arrays, with every link checked before it is followed.

XGBoost follows the links to children and features in a file unchecked. It also expects the right child next to the left
one, whatever the file says, so other children make it read nodes of another tree, or memory beyond all nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Document = Mapping[str, Any]

_NODE_ARRAYS = ("right_children", "split_indices", "split_conditions", "default_left", "split_type", "parents")
_OPTIONAL = ("split_type", "parents")  # XGBoost before 1.3 wrote no split types
_CATEGORY_ARRAYS = ("categories_nodes", "categories_segments", "categories_sizes", "categories")
NO_VECTORS = -1
_LEAF = -1  # the child of a leaf


class Damaged(ValueError):
    """The model contradicts itself: scoring with it could crash."""


class Unsupported(ValueError):
    """The file is sound, but its model is of an unsupported kind, which the message names."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The nodes of all trees, concatenated in XGBoost's order; children are indexes into all nodes."""

    starts: Places  # [trees]
    ends: Places  # [trees]
    tree: Places
    left: Places
    right: Places
    leaf: NDArray[np.bool_]
    feature: Places
    value: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    by_category: NDArray[np.bool_]
    member: Places  # [categories in sets]: the node whose set has the category
    category: Places  # [categories in sets]
    vectors: Places  # [trees]: how many vectors the leaves share, NO_VECTORS if a leaf has one number

    def where(self, node: int) -> str:
        """Return how a message names a node."""
        tree = int(self.tree[node])
        return f"tree {tree}, node {node - int(self.starts[tree])}"


def grown_part(learner: Document) -> Document:
    """Return the part of a saved learner, or of its configuration, that has the trees if there are any."""
    booster: Document = learner["gradient_booster"]
    part: Document = booster.get("gbtree", booster)  # dart keeps its trees in a gbtree
    return part


def read_nodes(trees: Sequence[Document]) -> Nodes:
    """Read the trees of a saved model, as `ubjson.read` or `json.loads` returns them.

    Raises:
        Damaged: if the arrays of a tree contradict each other or have other values than numbers.
        LookupError: if an array is missing.
    """
    sizes = np.array([len(tree["left_children"]) for tree in trees], np.int64)  # int64 even without trees
    for number, (tree, size) in enumerate(zip(trees, sizes.tolist(), strict=True)):
        _check_lengths(number, tree, size)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    of_tree = np.repeat(np.arange(len(trees)), sizes)
    left = _every(trees, "left_children", "i") + starts[of_tree]
    right = _every(trees, "right_children", "i") + starts[of_tree]
    set_trees = np.repeat(np.arange(len(trees)), [len(each.get("categories_nodes", ())) for each in trees])
    set_nodes = _every(trees, "categories_nodes", "i")
    for outside in np.flatnonzero((set_nodes < 0) | (set_nodes >= sizes[set_trees]))[:1]:
        raise Damaged(
            f"tree {set_trees[outside]}: it has categories of node {set_nodes[outside]}, which does not exist"
        )
    set_sizes = _every(trees, "categories_sizes", "i")
    typed = all("split_type" in each for each in trees)
    with np.errstate(over="ignore"):  # a threshold beyond float32 is an infinity, as it is to XGBoost
        value = _every(trees, "split_conditions", "f").astype(np.float32)
    return Nodes(
        starts=starts,
        ends=ends,
        tree=of_tree,
        left=left,
        right=right,
        leaf=left - starts[of_tree] == _LEAF,
        feature=_every(trees, "split_indices", "i"),
        value=value,
        default_left=_flags(trees, "default_left"),
        by_category=_flags(trees, "split_type") if typed else np.zeros(len(of_tree), np.bool_),
        member=np.repeat(set_nodes + starts[set_trees], set_sizes),
        category=_every(trees, "categories", "i"),
        vectors=np.array([_count_vectors(number, each) for number, each in enumerate(trees)], np.int64),
    )


def walk(nodes: Nodes, columns: int, *, adjacent: bool = True, most: int | None = None) -> tuple[Places, Places]:
    """Follow every split of every tree.

    Args:
        nodes: the nodes of all trees.
        columns: how many features a row has.
        adjacent: whether the right child has to be next to the left one, as XGBoost takes for granted.
        most: the most levels of splits.

    Returns:
        The nodes that can be reached, tree by tree and level by level, and the level of each.

    Raises:
        Damaged: if a split leads to a wrong node, or reads a feature that does not exist.
    """
    seen = np.zeros(len(nodes.tree), np.bool_)
    reached = [nodes.starts]
    while len(here := reached[-1]):
        if most is not None and len(reached) > most + 1:
            raise Damaged(f"{nodes.where(here[0])}: the tree is deeper than {most:,} splits")
        twice = _repeated(here) | seen[here]
        if twice.any():
            raise Damaged(f"{nodes.where(here[twice][0])}: two branches of a tree lead to the same node")
        seen[here] = True
        split = here[~nodes.leaf[here]]
        _check_splits(nodes, split, columns, adjacent=adjacent)
        _check_leaves(nodes, here[nodes.leaf[here]])
        reached.append(np.stack([nodes.left[split], nodes.right[split]], axis=1).ravel())
    order = np.concatenate(reached)
    level = np.repeat(np.arange(len(reached)), [len(of) for of in reached])
    by_tree = np.argsort(nodes.tree[order], kind="stable")
    return order[by_tree], level[by_tree]


def integers(value: object, what: str) -> Places:
    """Return a list of whole numbers as an array.

    Raises:
        Damaged: if the value is not such a list.
    """
    return _array(value, what, "i")


def _check_lengths(number: int, tree: Document, size: int) -> None:
    """Compare the lengths of a tree's arrays with each other and with its counts."""
    stated = int(tree["tree_param"]["num_nodes"])
    if stated != size or not size:
        raise Damaged(f"tree {number}: it states {stated} nodes, but has {size}")
    for key in _NODE_ARRAYS:
        if key in _OPTIONAL and key not in tree:
            continue
        if len(tree[key]) != size:
            raise Damaged(f"tree {number}: it has {size} nodes, but {len(tree[key])} items in {key}")
    if not any(key in tree for key in _CATEGORY_ARRAYS):
        return
    nodes, segments, sizes, categories = (integers(tree[key], f"tree {number}: {key}") for key in _CATEGORY_ARRAYS)
    ends = np.cumsum(sizes)
    whole = len(nodes) == len(segments) == len(sizes) and (sizes >= 0).all()
    if not whole or (segments != ends - sizes).any() or sizes.sum() != len(categories):
        raise Damaged(f"tree {number}: its sets of categories overlap, or differ from their stated sizes")


def _check_splits(nodes: Nodes, split: Places, columns: int, *, adjacent: bool) -> None:
    """Make sure that the children and the feature of each split exist."""
    tree, left, right, feature = nodes.tree[split], nodes.left[split], nodes.right[split], nodes.feature[split]
    starts, ends = nodes.starts[tree], nodes.ends[tree]
    gone = (left < starts) | (left >= ends) | (right < starts) | (right >= ends)
    for at in np.flatnonzero(gone)[:1]:
        children = f"{left[at] - starts[at]} and {right[at] - starts[at]} of {ends[at] - starts[at]} nodes"
        raise Damaged(f"{nodes.where(split[at])}: a split leads to a node that does not exist ({children})")
    for at in np.flatnonzero(adjacent & (right != left + 1))[:1]:
        children = f"{left[at] - starts[at]} and {right[at] - starts[at]}"
        raise Damaged(f"{nodes.where(split[at])}: its children are not side by side ({children})")
    for at in np.flatnonzero((feature < 0) | (feature >= columns))[:1]:
        raise Damaged(f"{nodes.where(split[at])}: a split reads feature {feature[at]} of {columns}")


def _check_leaves(nodes: Nodes, leaf: Places) -> None:
    """Make sure that a leaf has no right child, or that the vector whose index is stored there exists."""
    starts, vectors = nodes.starts[nodes.tree[leaf]], nodes.vectors[nodes.tree[leaf]]
    right = nodes.right[leaf] - starts
    wrong = np.where(vectors == NO_VECTORS, right != _LEAF, (right < 0) | (right >= vectors))
    for at in np.flatnonzero(wrong)[:1]:
        what = "has only a right child" if vectors[at] == NO_VECTORS else "is a leaf whose vector does not exist"
        raise Damaged(f"{nodes.where(leaf[at])}: it {what} ({right[at]})")


def _count_vectors(number: int, tree: Document) -> int:
    if "leaf_weights" not in tree:
        return NO_VECTORS
    size, weights = int(tree["tree_param"]["size_leaf_vector"]), len(tree["leaf_weights"])
    if size < 1 or weights % size:
        raise Damaged(f"tree {number}: it has {weights} weights for vectors of {size}")
    return weights // size


def _repeated(places: Places) -> NDArray[np.bool_]:
    """Return which indexes are in the list more than once."""
    _, inverse, counts = np.unique(places, return_inverse=True, return_counts=True)
    several: NDArray[np.bool_] = counts[inverse] > 1
    return several


def _flags(trees: Sequence[Document], key: str) -> NDArray[np.bool_]:
    values = _every(trees, key, "i")
    if ((values < 0) | (values > 1)).any():
        raise Damaged(f"{key} holds {values[(values < 0) | (values > 1)][0]}, which is neither 0 nor 1")
    return values.astype(np.bool_)


def _every(trees: Sequence[Document], key: str, kind: str) -> NDArray[Any]:
    """Return one array of all trees, concatenated; a tree without it adds nothing."""
    empty = np.zeros(0, np.int64 if kind == "i" else np.float64)
    return np.concatenate([empty, *(_array(tree.get(key, empty), key, kind) for tree in trees)])


def _array(value: object, what: str, kind: str) -> NDArray[Any]:
    array = np.asarray(value)
    if not array.size:
        return np.zeros(0, np.int64 if kind == "i" else np.float64)
    if array.ndim != 1 or array.dtype.kind not in ("iub" if kind == "i" else "iubf"):
        raise Damaged(f"{what} is not a list of {'whole ' if kind == 'i' else ''}numbers")
    return array.astype(np.int64 if kind == "i" else np.float64)
