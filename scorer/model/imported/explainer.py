"""Explains imported trees by the tables that explain XGBoost's."""

from typing import TYPE_CHECKING

import numpy as np

from scorer.errors import Misconfigured, Problem
from scorer.model.explain.building import Built, build_for
from scorer.model.explain.contributions import TOLERANCE, TRIED, by_tables
from scorer.model.interface import COMPILED, Contributions, Explainer, Rows
from scorer.model.trees.forest import NotCovered, require_compiler
from scorer.model.trees.trials import rows_to_try

if TYPE_CHECKING:
    from scorer.model.imported.booster import ImportedTrees


class TreesExplainer(Explainer):
    """Explains the margins of imported trees by tables; without tables, it explains nothing.

    Args:
        model: the trees.
        most_bytes: the most memory that the tables may take.

    Raises:
        Misconfigured: the model cannot be explained by tables.
    """

    def __init__(self, model: "ImportedTrees", most_bytes: int) -> None:
        self.path, self.concern, self.of_classes = COMPILED, "", model.classes > 1
        self._model = model
        try:
            built = _build(model, most_bytes)
            self._compute, self.bytes = by_tables(built.tables, built.mean + model.grown.base), built.bytes
            self._compare()
        except NotCovered as error:
            what = f"this model of {model.grown.library} cannot be explained: {error}"
            raise Misconfigured([Problem("predictions.explain", what, "set it to null")]) from error

    def contributions(self, matrix: Rows) -> Contributions:
        """See `Explainer.contributions`."""
        found: Contributions = self._compute(self._model.seen(matrix)) / self._model.grown.divisor
        return found

    def _compare(self) -> None:
        """Make sure that contributions add up to the margin on rows that reach the edge cases of the trees.

        Raises:
            NotCovered: they do not.
        """
        rows = next(each for each in rows_to_try(self._model.forest, self._model.columns) if len(each) > 1)[:TRIED]
        expected, found = self._model.margins(rows), self.contributions(rows)
        scale = np.maximum(1.0, np.abs(found).max(axis=2, initial=0))
        off = float((np.abs(found.sum(axis=2) - expected) / scale).max(initial=0))
        if not off <= TOLERANCE:  # also true for NaN
            raise NotCovered(f"the contributions differ from the margin by {off:.2g}")


def _build(model: "ImportedTrees", most_bytes: int) -> Built:
    grown, order = model.grown, model.order
    require_compiler()
    if grown.cover is None:
        raise NotCovered("its file does not say how many training rows reached each node")
    return build_for(model.forest, grown.nodes.feature[order], grown.cover[order], model.classes, most_bytes)
