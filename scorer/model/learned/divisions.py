"""How a model's splits divided the rows of training: which rows go right, and which share of them went there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.model.saved.nodes import Document, Nodes, grown_part, read_nodes, walk


@dataclass(frozen=True, slots=True)
class Ask:
    """What a split asks of a row.

    column:    the column that it reads.
    threshold: values of at least this go right; unless it goes by category.
    codes:     the category codes that go right; None if it goes by threshold.
    absent:    whether a missing value goes right.
    """

    column: int
    threshold: float
    codes: frozenset[int] | None
    absent: bool

    def right(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows go right, given their values in the column, NaN where missing."""
        exact = values.astype(np.float32)  # as XGBoost sees them
        goes = exact >= np.float32(self.threshold) if self.codes is None else np.isin(exact, list(self.codes))
        return np.where(np.isnan(values), self.absent, goes)


@dataclass(frozen=True, slots=True)
class Division:
    """A split, the splits on the way to it, and the share of its training rows that went right.

    tree:  the number of its tree.
    path:  the splits above it, from the root on, each with whether its rows went right.
    ask:   its own.
    share: the share that went right, by weight in training, which is equal in the first tree and nearly so later.
    """

    tree: int
    path: tuple[tuple[Ask, bool], ...]
    ask: Ask
    share: float


def read_divisions(learner: Document, columns: int) -> list[Division]:
    """Return how each split divided the rows of training, tree by tree; nothing for a model in an unknown form.

    Args:
        learner: the learner of the saved model, as `ubjson.read` returns it.
        columns: how many features a row has.
    """
    try:
        trees = grown_part(learner)["model"]["trees"]
        nodes = read_nodes(trees)
        order, _ = walk(nodes, columns)
        weights = np.concatenate([np.asarray(tree["sum_hessian"], np.float64) for tree in trees])
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
    return list(_divisions(nodes, order, weights)) if len(weights) == len(nodes.tree) else []


def _divisions(nodes: Nodes, order: NDArray[np.int64], weights: NDArray[np.float64]) -> Iterator[Division]:
    codes: dict[int, set[int]] = {}
    for node, category in zip(nodes.member.tolist(), nodes.category.tolist(), strict=True):
        codes.setdefault(node, set()).add(category)
    paths: dict[int, tuple[tuple[Ask, bool], ...]] = {}
    for node in order[~nodes.leaf[order]].tolist():  # a parent comes before its children
        path = paths.pop(node, ())
        ask = Ask(
            int(nodes.feature[node]),
            float(nodes.value[node]),
            frozenset(codes.get(node, ())) if nodes.by_category[node] else None,
            absent=not nodes.default_left[node],
        )
        right, left = int(nodes.right[node]), int(nodes.left[node])
        paths[left], paths[right] = (*path, (ask, False)), (*path, (ask, True))
        if weights[node] > 0:
            yield Division(int(nodes.tree[node]), path, ask, float(weights[right] / weights[node]))
