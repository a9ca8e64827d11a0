"""Scores with the trees of another library in float64, as that library does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Scores
from scorer.model.imported.grown import Doubles, Grown
from scorer.model.imported.lightgbm_trees import ZERO
from scorer.model.imported.sums import Sums
from scorer.model.interface import COMPILED, Booster, Explainer, Rows
from scorer.model.learned.categories import Given, unproven_order
from scorer.model.learned.splits import Thresholds
from scorer.model.saved.nodes import Damaged, walk
from scorer.model.trees.forest import BLOCK, NotCovered, lay_out, require_compiler

_MOST_LEVELS = 10_000  # of a tree: reading more would take minutes


class ImportedTrees(Booster):
    """A model whose trees were read from the file of another library.

    Attributes:
        grown: what was read.
        forest: its trees.
        order: the nodes in the forest's order.

    Args:
        grown: what was read.

    Raises:
        Damaged: if a tree has a loop, or a link to a node or a feature that does not exist.
        NotCovered: if it is too large for the kernel.
    """

    numbers = np.float64

    def __init__(self, grown: Grown) -> None:
        nodes = grown.nodes
        if grown.columns * 4 + 1 > np.iinfo(np.int32).max // BLOCK:
            raise NotCovered("it has too many features for a block of rows")
        self.order, level = walk(nodes, grown.columns, adjacent=False, most=_MOST_LEVELS)
        if unreached := len(nodes.tree) - len(self.order):
            raise Damaged(f"no split leads to {unreached} of its {len(nodes.tree)} nodes")
        self.forest = lay_out(nodes, self.order, level, grown.groups)
        self.grown, self.library = grown, grown.library.lower()
        self._sums = Sums(self.forest, grown.leaves[self.order], grown.base)
        self._codes = self.forest.features[self.forest.categorical[0]]
        self._explainer: Explainer | None = None
        self.names, self.columns, self.objective = grown.names, grown.columns, grown.objective
        self.booster_kind, self.feature_types, self.categories = grown.kind, grown.types, grown.categories
        self.trees, self.rounds, self.classes = len(grown.groups), grown.rounds, len(grown.base)
        try:
            require_compiler()
            self.path = COMPILED
        except NotCovered as error:
            self.path = f"{grown.library}: {error}"

    def _score(self, matrix: Rows) -> Scores:
        scores = self.grown.link(self.margins(matrix))
        return Scores(scores[:, 0] if self.classes == 1 else scores)

    def margins(self, matrix: Rows) -> Doubles:
        """Return the margins [rows, outputs] of rows as for `score`."""
        sums = self._sums.margins(self.seen(matrix))
        if self.grown.divisor != 1:
            sums /= self.grown.divisor
        return sums

    def seen(self, matrix: Rows) -> Rows:
        """Return the rows as the trees are to see them, contiguous: zeros that are missing values, whole categories."""
        rows: Rows = np.require(matrix, np.float32, ("C", "W"))  # the kernel is compiled only for such arrays
        if not len(self.grown.zeros) and not len(self._codes):
            return rows
        rows = rows.copy()
        zeros = rows[:, self.grown.zeros]
        rows[:, self.grown.zeros] = np.where(np.abs(zeros) <= ZERO, np.float32(np.nan), zeros)
        rows[:, self._codes] = np.trunc(rows[:, self._codes])
        return rows

    def splits(self) -> list[Thresholds]:
        """See `Booster.splits`."""
        return self.grown.thresholds

    def gains(self) -> NDArray[np.float64]:
        """See `Booster.gains`."""
        return self.grown.gains

    def explainer(self, most_bytes: int) -> Explainer:
        """See `Booster.explainer`."""
        if self._explainer is None:
            from scorer.model.imported.explainer import TreesExplainer  # noqa: PLC0415  loads kernels, as for XGBoost

            self._explainer = TreesExplainer(self, most_bytes)
        return self._explainer

    @property
    def checks(self) -> list[str]:
        """What was checked while it was loaded."""
        return [f"the trees of {self.grown.library} are sound, and are scored without it"]

    @property
    def slow(self) -> str:
        """A warning if compiled trees do not score, otherwise empty."""
        return "" if self.compiled else f"trees are not compiled ({self.path})"

    def _unproven(self, given: Sequence[Given]) -> str:
        order = unproven_order(self.categories, self.names, self.feature_types, given)
        return order or f"nothing has compared its scores with those of {self.grown.library}: add golden events"
