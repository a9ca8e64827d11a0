"""Explains margins: by tables if those agree with XGBoost, otherwise by XGBoost itself, 50 to 100 times slower."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from scorer.errors import Misconfigured, Problem
from scorer.model.explain.building import build
from scorer.model.explain.contributions import TOLERANCE, TRIED, by_tables
from scorer.model.interface import COMPILED, Contributions, Explainer
from scorer.model.trees.forest import Forest, NotCovered, require_compiler
from scorer.model.trees.trials import rows_to_try
from scorer.model.xgboost.agreement import base_margins
from scorer.model.xgboost.booster import reason

Rows = NDArray[np.float32]


class XGExplainer(Explainer):
    """Explains a model of XGBoost. Its `path` is `compiled`, or `booster: ` and why XGBoost itself explains.

    Args:
        booster: the booster.
        learner: the learner of the saved booster.
        objective: the objective's name.
        most_bytes: the most memory that the tables may take.

    Raises:
        Misconfigured: not even XGBoost explains this kind of model.
    """

    def __init__(self, booster: xgboost.Booster, learner: dict[str, Any], objective: str, most_bytes: int) -> None:
        self._booster, self.of_classes = booster, objective.startswith("multi:")
        self._columns, self._types = booster.num_features(), booster.feature_types
        self.bytes, self.concern = 0, ""
        try:
            outputs = self._by_booster(np.full((1, self._columns), np.nan, np.float32)).shape[1]
        except xgboost.core.XGBoostError as error:
            what = f"XGBoost does not explain this model: {reason(str(error))}"
            raise Misconfigured([Problem("predictions.explain", what, "set it to null")]) from error
        self._compute, self.path = self._fastest(learner, outputs, most_bytes)

    def contributions(self, matrix: Rows) -> Contributions:
        """Return the contribution of each column of each row to the margin of each output.

        Args:
            matrix: [rows, columns], NaN where missing, no infinities.

        Returns:
            float64 [rows, outputs, columns + 1]; the last is the base: the mean margin of the training rows.
        """
        return self._compute(matrix)

    def _fastest(
        self, learner: dict[str, Any], outputs: int, most_bytes: int
    ) -> tuple[Callable[[Rows], Contributions], str]:
        """Return the fastest way to explain this model, and its `path`."""
        try:
            require_compiler()
            built = build(learner, self._columns, outputs, most_bytes)
            compute = by_tables(built.tables, built.mean + base_margins(learner))
            self._compare(compute, built.tables.forest)
        except (LookupError, TypeError, ValueError) as error:  # NotCovered, or a form of a later XGBoost
            why = error if isinstance(error, NotCovered) else f"its trees are saved in an unknown form: {error!r}"
            if not _is_linear(learner):
                self.concern = f"XGBoost itself explains predictions, 50 to 100 times more slowly than by tables: {why}"
            return self._by_booster, f"booster: {why}"
        self.bytes = built.bytes
        return compute, COMPILED

    def _compare(self, compute: Callable[[Rows], Contributions], forest: Forest) -> None:
        """Make sure that the tables agree with XGBoost on rows that reach the edge cases of the trees.

        Raises:
            NotCovered: they do not.
        """
        for rows in rows_to_try(forest, self._columns):
            if len(rows) < TRIED:
                continue
            ours, theirs = compute(rows[:TRIED]), self._by_booster(rows[:TRIED])
            scale = np.maximum(1.0, np.abs(theirs).max(axis=2, keepdims=True))
            off = float((np.abs(ours - theirs) / scale).max(initial=0))
            if not off <= TOLERANCE:  # also true for NaN
                raise NotCovered(f"the tables disagree with XGBoost by {off:.2g}")
            return

    def _by_booster(self, matrix: Rows) -> Contributions:
        data = xgboost.DMatrix(matrix, nthread=1, feature_types=self._types, enable_categorical=True)
        found = self._booster.predict(data, pred_contribs=True, validate_features=False, strict_shape=True)
        return found.astype(np.float64)


def _is_linear(learner: dict[str, Any]) -> bool:
    """Whether the model is linear: XGBoost explains it as fast as it scores."""
    try:
        return bool(learner["gradient_booster"]["name"] == "gblinear")
    except (LookupError, TypeError):
        return False
