"""The trees of a LightGBM text as the nodes that `scorer.model.trees.forest` lays out.

In the file, a tree has its splits and its leaves numbered apart: a child below 0 is the leaf ~child. Here the leaves of
a tree follow its splits.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.model.imported.grown import Doubles, smallest_right
from scorer.model.learned.splits import Thresholds, by_column
from scorer.model.saved.nodes import NO_VECTORS, Damaged, Nodes, Places, Unsupported

Lines = Mapping[str, str]

ZERO = np.float32(1e-35)  # LightGBM reads numbers no farther from 0 than this as 0
_MOST_LEAVES = 1 << 24
_WORD = 32  # bits
_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # flags of a decision type
_MISSING_ZERO, _MISSING_NAN = 1, 2  # what its next two bits say is a missing value; 0 for nothing: NaN is a 0
_CATEGORIES = re.compile(r"-?\d+(:-?\d+)*")


class Trees:
    """The trees of a model.

    Attributes:
        nodes: the nodes of all trees.
        leaves: [nodes], the value of each leaf.
        cover: [nodes], how many training rows reached each node; None if the file does not say.
        zeros: the columns in which a zero is a missing value.

    Args:
        trees: what the lines of each tree assign.
        columns: how many features a row has.

    Raises:
        Damaged: if a tree contradicts itself.
        Unsupported: if a tree is of a kind that is not scored here.
    """

    def __init__(self, trees: Sequence[Lines], columns: int) -> None:
        if any(tree.get("is_linear", "0") != "0" for tree in trees):
            raise Unsupported("its leaves are linear models (linear_tree)")
        counts = [number(tree, "num_leaves", 1, _MOST_LEAVES) for tree in trees]
        for at, (tree, count) in enumerate(zip(trees, counts, strict=True)):  # before there is room for all of them
            if len(needed(tree, "leaf_value")) < 2 * count - 1:
                raise Damaged(f"tree {at}: it states {count} leaves, but has values for fewer")
        self._columns, self._counts = columns, np.array(counts, np.int64)
        self._sizes = 2 * self._counts - 1
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._tree = np.repeat(np.arange(len(trees)), self._sizes)
        place = np.arange(len(self._tree)) - self._starts[self._tree]
        self._split = place < self._counts[self._tree] - 1
        kind = self._of_splits(trees, "decision_type", np.int64)
        self._feature = self._of_splits(trees, "split_feature", np.int64)
        self._threshold = self._of_splits(trees, "threshold", np.float64)
        self._gain = self._of_splits(trees, "split_gain", np.float64, optional=True)
        self.leaves = self._of_leaves(trees, "leaf_value", np.float64)
        self.cover = self._covers(trees)
        self._by_category = self._split & (kind & _CATEGORICAL > 0)
        self._check(kind)
        self.zeros = self._zeros(kind >> 2 & 3)
        self.nodes = self._nodes(trees, kind)

    def types(self, infos: Sequence[str]) -> tuple[str, ...]:
        """Return the type of each feature: "c" if it is categorical, otherwise "float".

        Args:
            infos: what the file says about each feature: its range, its categories or nothing.
        """
        listed = {at for at, info in enumerate(infos) if len(infos) == self._columns and _CATEGORIES.fullmatch(info)}
        listed |= set(self._feature[self._by_category].tolist())
        return tuple("c" if at in listed else "float" for at in range(self._columns))

    def gains(self) -> Doubles:
        """Return the sum of the gains of the splits on each column."""
        return np.bincount(self._feature[self._split], self._gain[self._split], self._columns).astype(np.float64)

    def thresholds(self) -> list[Thresholds]:
        """Return the thresholds of each column, ascending."""
        numeric = self._split & ~self._by_category & np.isfinite(self._threshold)
        return by_column(self._feature[numeric], self._threshold[numeric], self._columns)

    def _of_splits(self, trees: Sequence[Lines], name: str, kind: type, *, optional: bool = False) -> NDArray[Any]:
        """Return the numbers of the splits of all trees [nodes]; 0 for a leaf, and for splits that may lack them."""
        found: NDArray[Any] = np.zeros(len(self._tree), kind)
        if not (optional and any(name not in tree for tree in trees)):
            found[self._split] = self._numbers(trees, name, self._counts - 1, kind)
        return found

    def _of_leaves(self, trees: Sequence[Lines], name: str, kind: type) -> NDArray[Any]:
        """Return the numbers of the leaves of all trees [nodes]; 0 for a split."""
        found: NDArray[Any] = np.zeros(len(self._tree), kind)
        found[~self._split] = self._numbers(trees, name, self._counts, kind)
        return found

    def _numbers(self, trees: Sequence[Lines], name: str, counts: Places, kind: type) -> NDArray[Any]:
        """Return the numbers in a line of each tree, concatenated.

        Raises:
            Damaged: if a tree has not as many as it should, or one is not a finite number.
        """
        parts: list[NDArray[Any]] = [np.zeros(0, kind)]
        for at, (tree, count) in enumerate(zip(trees, counts.tolist(), strict=True)):
            words = needed(tree, name).split() if count else []
            if len(words) != count:
                raise Damaged(f"tree {at}: it has {len(words)} numbers in {name}, expected {count}")
            try:
                parts.append(np.array(words, kind))
            except (ValueError, OverflowError) as error:
                raise Damaged(f"tree {at}: {name} is not a list of numbers: {error}") from error
        found = np.concatenate(parts)
        if np.isnan(found).any() or (name != "threshold" and np.isinf(found).any()):  # all values go left at infinity
            raise Damaged(f"{name} has a number that is not finite")
        return found

    def _covers(self, trees: Sequence[Lines]) -> Doubles | None:
        if any("leaf_count" not in tree or "internal_count" not in tree for tree in trees):
            return None
        rows = self._of_splits(trees, "internal_count", np.float64) + self._of_leaves(trees, "leaf_count", np.float64)
        return rows if (rows >= 0).all() else None

    def _check(self, kind: Places) -> None:
        """Make sure that every decision is of a known kind, and a feature is either categorical or a number."""
        if ((kind < 0) | (kind > (_MISSING_NAN << 2 | _DEFAULT_LEFT | _CATEGORICAL))).any():
            raise Damaged("a split has an unknown decision type")
        if ((self._feature < 0) | (self._feature >= self._columns)).any():
            raise Damaged(f"a split reads a feature that is not one of its {self._columns}")
        numeric = np.unique(self._feature[self._split & ~self._by_category])
        for both in np.intersect1d(numeric, self._feature[self._by_category])[:1]:
            raise Unsupported(f"its feature {both} is a number in one split and a category in another")

    def _zeros(self, missing: Places) -> Places:
        """Return the columns in which a zero is a missing value."""
        numeric = self._split & ~self._by_category
        zero = np.unique(self._feature[numeric & (missing == _MISSING_ZERO)])
        for both in np.intersect1d(zero, self._feature[numeric & (missing != _MISSING_ZERO)])[:1]:
            raise Unsupported(f"a zero of its feature {both} is a missing value in one split and a number in another")
        return zero

    def _nodes(self, trees: Sequence[Lines], kind: Places) -> Nodes:
        left, right = (self._children(trees, name) for name in ("left_child", "right_child"))
        numeric = self._split & ~self._by_category
        with np.errstate(over="ignore"):
            value = self.leaves.astype(np.float32)
        value[numeric] = _smallest_right(self._threshold[numeric])
        # NaN is a 0 where nothing is a missing value; the categories of a set go left there and right here.
        default_left = np.where(kind >> 2 & 3, kind & _DEFAULT_LEFT > 0, self._threshold >= 0) | self._by_category
        left, right = np.where(self._by_category, right, left), np.where(self._by_category, left, right)
        member, category = self._sets(trees)
        return Nodes(
            starts=self._starts,
            ends=self._starts + self._sizes,
            tree=self._tree,
            left=left,
            right=right,
            leaf=~self._split,
            feature=self._feature,
            value=value,
            default_left=default_left,
            by_category=self._by_category,
            member=member,
            category=category,
            vectors=np.full(len(trees), NO_VECTORS),
        )

    def _children(self, trees: Sequence[Lines], name: str) -> Places:
        """Return the child of each split as an index into all nodes; -1 in the tree for a leaf."""
        child = self._of_splits(trees, name, np.int64)
        splits = self._counts[self._tree] - 1
        gone = self._split & ((child >= splits) | (child < -splits - 1))
        for node in np.flatnonzero(gone)[:1]:
            raise Damaged(f"tree {self._tree[node]}: {name} leads to {child[node]}, which does not exist")
        inside = np.where(child < 0, splits + ~child, child)
        found: Places = np.where(self._split, inside, -1) + self._starts[self._tree]
        return found

    def _sets(self, trees: Sequence[Lines]) -> tuple[Places, Places]:
        """Return the node of each category in a set, and the category."""
        members, categories = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for at in np.unique(self._tree[self._by_category]).tolist():
            nodes = np.flatnonzero(self._by_category[self._starts[at] : self._starts[at] + self._sizes[at]])
            nodes += self._starts[at]
            count = number(trees[at], "num_cat", 1, _MOST_LEAVES)
            bounds = self._numbers(trees[at : at + 1], "cat_boundaries", np.array([count + 1]), np.int64)
            widths, which = np.diff(bounds), self._threshold[nodes]
            if bounds[0] != 0 or (widths < 0).any() or not np.isin(which, np.arange(count)).all():
                raise Damaged(f"tree {at}: its sets of categories overlap, or one does not exist")
            words = self._numbers(trees[at : at + 1], "cat_threshold", bounds[-1:], np.int64)
            if ((words < 0) | (words >= 1 << _WORD)).any():
                raise Damaged(f"tree {at}: cat_threshold has a number of more than {_WORD} bits")
            bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
            for node, one in zip(nodes.tolist(), which.astype(np.int64).tolist(), strict=True):
                inside = np.flatnonzero(bits[_WORD * bounds[one] : _WORD * bounds[one + 1]])
                members.append(np.full(len(inside), node))
                categories.append(inside)
        return np.concatenate(members), np.concatenate(categories)


def _smallest_right(thresholds: Doubles) -> NDArray[np.float32]:
    """Return the smallest float32 that goes right at each split, if what is as small as ZERO is a 0."""
    right = smallest_right(thresholds)
    right[(thresholds >= -ZERO) & (thresholds < 0)] = -ZERO
    right[(thresholds >= 0) & (thresholds < ZERO)] = np.nextafter(ZERO, np.float32(1))
    return right


def needed(lines: Lines, name: str) -> str:
    """Return what a line assigns.

    Raises:
        Damaged: if there is no such line.
    """
    if name not in lines:
        raise Damaged(f"it has no line {name}=")
    return lines[name]


def number(lines: Lines, name: str, least: int, most: int) -> int:
    """Return the whole number that a line assigns.

    Raises:
        Damaged: if it is none, or beyond the limits.
    """
    text = needed(lines, name)
    found = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
    if not least <= found <= most:
        raise Damaged(f"{name} is {text[:20]!r}, expected a whole number from {least} to {most:,}")
    return found
