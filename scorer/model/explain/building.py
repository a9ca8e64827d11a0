"""Builds the tables of a saved model, up to a limit of memory."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.model.explain.groups import MOST_BITS, QUEUE, ROOT, Cut, Groups, Shape, list_groups, survey
from scorer.model.explain.tables import Bench, Tables, fill_tables, quadrature
from scorer.model.saved.nodes import Places, grown_part, read_nodes, walk
from scorer.model.trees.forest import Forest, NotCovered, flatten

_CELL = 4  # bytes of a number in a table


class Built(NamedTuple):
    """The tables of a model, and what it predicts on average."""

    tables: Tables
    mean: NDArray[np.float64]  # [outputs]: the mean of the trees' sum over the training rows

    @property
    def bytes(self) -> int:
        """The memory that the tables take, with their trees."""
        forest, groups, cells = self.tables
        arrays = [cells, *groups, *(each for each in forest if isinstance(each, np.ndarray))]
        return sum(each.nbytes for each in arrays)


def build(learner: Mapping[str, Any], columns: int, outputs: int, most_bytes: int) -> Built:
    """Build the tables of a saved model.

    Args:
        learner: the learner of the saved model, as `ubjson.read` returns it.
        columns: how many features a row has.
        outputs: how many outputs the trees add to.
        most_bytes: the most that the tables may take.

    Raises:
        NotCovered: the model has no such trees, or the tables would be too large.
    """
    forest = flatten(learner, columns, outputs)
    return build_for(forest, *_covers(learner, columns), outputs, most_bytes)


def build_for(forest: Forest, feature: Places, cover: NDArray[np.float64], outputs: int, most_bytes: int) -> Built:
    """Build the tables of a forest.

    Args:
        forest: the trees.
        feature: [nodes], the column that each split reads, in the forest's order.
        cover: [nodes], the weight of the training rows that reached each node, in the forest's order.
        outputs: how many outputs the trees add to.
        most_bytes: the most that the tables may take.

    Raises:
        NotCovered: the tables would be too large, or no training row reached a split.
    """
    shape = _shape(forest, feature, cover)
    survey(forest, shape)
    deepest = int(shape.deepest.max(initial=0))
    if deepest > MOST_BITS:
        raise NotCovered(f"a path in its trees has {deepest} splits, more than {MOST_BITS}")
    groups = _list(forest, shape, deepest, most_bytes)
    cells = np.empty(groups.table_starts[-1], np.float32)
    most_bits = int(np.diff(groups.decision_starts).max(initial=1))
    fill_tables(Cut(forest, shape, groups), quadrature(), Bench.of(most_bits), cells)
    return Built(Tables(forest, groups, cells), _means(forest, shape, outputs))


def _covers(learner: Mapping[str, Any], columns: int) -> tuple[Places, NDArray[np.float64]]:
    """Return the column of each split and the weight of each node, in the forest's order."""
    trees = grown_part(learner)["model"]["trees"]
    if not all("sum_hessian" in tree for tree in trees):
        raise NotCovered("its trees do not say how many training rows reached each node")
    nodes = read_nodes(trees)
    order, _ = walk(nodes, columns)
    every = np.concatenate([np.zeros(0), *(np.asarray(tree["sum_hessian"], np.float64) for tree in trees)])
    return nodes.feature[order], every[order]


def _shape(forest: Forest, feature: Places, cover: NDArray[np.float64]) -> Shape:
    """Return the attributes of each node that the tables need besides the forest, in the forest's order."""
    split = forest.left[: len(cover)] != np.arange(len(cover))
    if not (np.isfinite(cover).all() and (cover >= 0).all() and (cover[split] > 0).all()):
        raise NotCovered("no training row reached one of its splits")
    place = np.zeros(len(cover), np.int32)
    place[split] = np.searchsorted(forest.features, feature[split])
    return Shape(place, cover, *(np.zeros(len(cover), np.int32) for _ in range(6)))


def _list(forest: Forest, shape: Shape, deepest: int, most_bytes: int) -> Groups:
    """Return the groups of the forest.

    Raises:
        NotCovered: their tables would be too large.
    """
    is_root = (shape.role == ROOT) & (shape.deepest > 0)
    bits = (shape.level + shape.inner)[is_root]
    splits = int((shape.inner > 0).sum())
    trees, roots, decisions = forest.trees.shape[1], len(bits), int(bits.sum())
    groups = Groups(
        splits=np.zeros(splits, np.int32),
        split_starts=np.zeros(trees + 1, np.int32),
        group_starts=np.zeros(trees + 1, np.int32),
        roots=np.zeros(roots, np.int32),
        decision_starts=np.zeros(roots + 1, np.int32),
        feature_starts=np.zeros(roots + 1, np.int32),
        decisions=np.zeros(decisions, np.int32),
        features=np.zeros(decisions, np.int32),
        table_starts=np.zeros(roots + 1, np.int64),
    )
    list_groups(Cut(forest, shape, groups), np.zeros(QUEUE, np.int32))
    size = int(groups.table_starts[-1]) * _CELL
    if size > most_bytes:
        what = f"its tables would take {size:,} bytes, more than predictions.explain.max_bytes allows"
        raise NotCovered(f"{what} ({most_bytes:,}); a path in its trees has up to {deepest} splits")
    return groups


def _means(forest: Forest, shape: Shape, outputs: int) -> NDArray[np.float64]:
    """Return the sum over the trees of the mean leaf, weighted by the training rows."""
    nodes = len(shape.parent)
    leaves = np.flatnonzero(forest.left[:nodes] == np.arange(nodes))
    roots, output = forest.trees[0], forest.trees[2]
    tree = np.searchsorted(roots, leaves, "right") - 1
    root = roots[tree]
    alone = leaves == root  # a tree without a split
    share = np.where(alone, 1.0, shape.cover[leaves] / np.where(alone, 1.0, shape.cover[root]))
    return np.bincount(output[tree], forest.value[leaves] * share, outputs).astype(np.float64)
