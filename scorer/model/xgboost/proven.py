"""A model of XGBoost with compiled trees that were proven before: it scores without XGBoost, which loads on demand."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Scores
from scorer.model.interface import COMPILED, Booster, Explainer, Rows
from scorer.model.learned.categories import Given, unproven_order
from scorer.model.learned.divisions import Division
from scorer.model.learned.splits import Thresholds
from scorer.model.xgboost.proofs import Proven


class ProvenTrees(Booster):
    """A model whose trees agreed with its booster in an earlier process.

    Args:
        proven: its trees.
        load: loads its booster; called once, at the first question that only the booster can answer.
    """

    library = "xgboost"
    path = COMPILED

    def __init__(self, proven: Proven, load: Callable[[], Booster]) -> None:
        facts = dict(proven.facts)
        self._checks: list[str] = list(facts.pop("checks"))
        vars(self).update(facts)
        self._ensemble, self._load = proven.ensemble, load
        self._loaded: Booster | None = None

    def _score(self, matrix: Rows) -> Scores:
        return self._loaded.score(matrix) if self._loaded else Scores(self._ensemble.predict(matrix))

    def splits(self) -> list[Thresholds]:
        """See `Booster.splits`."""
        return self._booster().splits()

    def divisions(self) -> list[Division]:
        """See `Booster.divisions`."""
        return self._booster().divisions()

    def weights(self, matrix: Rows, trees: int) -> NDArray[np.float64] | None:
        """See `Booster.weights`."""
        return self._booster().weights(matrix, trees)

    def gains(self) -> NDArray[np.float64]:
        """See `Booster.gains`."""
        return self._booster().gains()

    def explainer(self, most_bytes: int) -> Explainer:
        """See `Booster.explainer`."""
        return self._booster().explainer(most_bytes)

    def confirm(self, matrix: Rows) -> None:
        """See `Booster.confirm`."""
        self._booster().confirm(matrix)
        self.path = self._booster().path

    @property
    def checks(self) -> list[str]:
        """What was checked before its trees were kept."""
        return self._checks

    @property
    def slow(self) -> str:
        """A warning if compiled trees do not score, otherwise empty."""
        return self._loaded.slow if self._loaded else ""

    def _unproven(self, given: Sequence[Given]) -> str:
        return unproven_order(self.categories, self.names, self.feature_types, given)

    def _booster(self) -> Booster:
        """Return the booster itself, which scores from now on.

        Raises:
            Misconfigured: the file is not what it was.
        """
        if self._loaded is None:
            self._loaded = self._load()
            self.path = self._loaded.path
        return self._loaded
