"""Checks that a saved model does not contradict itself: its counts, its lists and every tree.

XGBoost trusts the file: a count that is too large makes it read beyond its memory.
"""

from typing import Any

import numpy as np

from scorer.model.saved.nodes import Damaged, Document, Nodes, grown_part, integers, read_nodes, walk

_MOST_FEATURES = 1 << 31
_TYPES = ("int", "float", "i", "q", "c")


def check(learner: Document) -> None:
    """Check a saved model before XGBoost sees it, or scores with it.

    Args:
        learner: the learner of the saved model, as `ubjson.read` or `json.loads` returns it.

    Raises:
        Damaged: if the model contradicts itself.
        LookupError, TypeError, ValueError: if its form is unknown.
    """
    parameters = learner["learner_model_param"]
    columns, outputs = _columns(learner, parameters), _outputs(parameters)
    booster = learner["gradient_booster"]
    model = grown_part(learner)["model"]
    if booster["name"] == "gblinear":
        if len(model["weights"]) not in {0, (columns + 1) * outputs}:  # none before the first round
            what = f"{len(model['weights'])} weights for {columns} features and {outputs} outputs"
            raise Damaged(f"it has {what}")
        return
    trees = model["trees"]
    _check_counts(model, len(trees), outputs)
    if "weight_drop" in booster and len(booster["weight_drop"]) != len(trees):
        raise Damaged(f"it has {len(trees)} trees, but weights for {len(booster['weight_drop'])}")
    _check_own_counts(trees, columns)
    nodes = read_nodes(trees)
    order, _ = walk(nodes, columns)
    _check_unreached(trees, nodes, order)
    _check_sets(nodes, order)


def _columns(learner: Document, parameters: Document) -> int:
    """Return how many features a row has."""
    columns = int(parameters["num_feature"])
    if not 0 <= columns < _MOST_FEATURES:
        raise Damaged(f"it states {columns} features")
    for key in ("feature_names", "feature_types"):
        count = len(learner.get(key, ()))
        if count not in {0, columns}:
            raise Damaged(f"it states {columns} features, but has {count} {key.replace('_', ' ')}")
    for kind in learner.get("feature_types", ()):
        if kind not in _TYPES:
            raise Damaged(f"it has a feature of type {kind!r}, which XGBoost does not have")
    return columns


def _outputs(parameters: Document) -> int:
    """Return how many outputs the trees add to."""
    classes, targets = int(parameters["num_class"]), int(parameters.get("num_target", 1))
    if classes < 0 or targets < 0:
        raise Damaged(f"it states {classes} classes and {targets} targets")
    return max(1, classes, targets)


def _check_counts(model: Document, trees: int, outputs: int) -> None:
    """Compare the number of trees with the model's lists and counts."""
    stated, groups = int(model["gbtree_model_param"]["num_trees"]), integers(model["tree_info"], "tree_info")
    if not stated == len(groups) == trees:
        raise Damaged(f"it states {stated} trees, has {trees}, and outputs for {len(groups)}")
    for tree in np.flatnonzero((groups < 0) | (groups >= outputs))[:1]:
        what = f"an output that is not one of its {outputs} ({groups[tree]})"
        raise Damaged(f"tree {tree}: it adds to {what}")
    if "iteration_indptr" in model:
        starts = integers(model["iteration_indptr"], "iteration_indptr")
        if not len(starts) or starts[0] != 0 or starts[-1] != trees or (np.diff(starts) < 0).any():
            raise Damaged(f"its rounds do not add up to its {trees} trees")


def _check_own_counts(trees: Any, columns: int) -> None:  # noqa: ANN401  JSON
    """Compare each tree's number and its count of features with the model's."""
    numbers = [tree["id"] for tree in trees if "id" in tree]
    if numbers and sorted(numbers) != list(range(len(trees))):
        raise Damaged("its trees are not numbered from 0 without gaps")
    for number, tree in enumerate(trees):
        features = int(tree["tree_param"].get("num_feature", columns))
        if features not in {0, columns}:
            raise Damaged(f"tree {number}: it states {features} features, but the model has {columns}")


def _check_unreached(trees: Any, nodes: Nodes, order: Any) -> None:  # noqa: ANN401  JSON; places
    """Make sure that every node can be reached, except deleted ones."""
    deleted = np.array([int(tree["tree_param"].get("num_deleted", 0)) for tree in trees], np.int64)
    sizes = nodes.ends - nodes.starts
    reached = np.bincount(nodes.tree[order], minlength=len(sizes))
    for tree in np.flatnonzero(sizes - reached != deleted)[:1]:
        what = f"no split leads to {sizes[tree] - reached[tree]} of its {sizes[tree]} nodes"
        raise Damaged(f"tree {tree}: {what}, but it states that {deleted[tree]} are deleted")


def _check_sets(nodes: Nodes, order: Any) -> None:  # noqa: ANN401  places
    """Make sure that each categorical split has a set of categories, and no other node has one."""
    has_set = np.zeros(len(nodes.tree), np.bool_)
    has_set[nodes.member] = True
    by_category = nodes.by_category[order] & ~nodes.leaf[order]
    for at in np.flatnonzero(has_set[order] != by_category)[:1]:
        what = "it is a categorical split without categories" if by_category[at] else "it has categories it cannot use"
        raise Damaged(f"{nodes.where(order[at])}: {what}")
    if (nodes.category < 0).any():
        raise Damaged(f"a set has the category {nodes.category.min()}")
