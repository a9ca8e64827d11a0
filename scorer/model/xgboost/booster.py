"""XGBoost's booster: scores as `predict` does, with compiled trees if they agree with it bit for bit."""

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import structlog
import xgboost
from numpy.typing import NDArray

from scorer.batch import Scores
from scorer.model.interface import COMPILED, Booster, Explainer
from scorer.model.learned.categories import Given, read_categories, unproven_order
from scorer.model.learned.divisions import Division, read_divisions
from scorer.model.learned.rounds import Rounds, choose_rounds
from scorer.model.learned.splits import Thresholds, read_splits
from scorer.model.refusals import Library, score_or_refuse
from scorer.model.saved import ubjson
from scorer.model.saved.nodes import Damaged, grown_part
from scorer.model.saved.soundness import check
from scorer.model.trees.forest import NotCovered
from scorer.model.trees.trees import Ensemble
from scorer.model.trees.trials import TRIED
from scorer.model.xgboost.agreement import Disagrees, base_margins, compare, compile_trees
from scorer.model.xgboost.importance import total_gains

Rows = NDArray[np.float32]

_LEAST_WEIGHT = 1e-16  # of a row, as XGBoost has it

log = structlog.get_logger()


class XGBooster(Booster):
    """A model of XGBoost. Its `path` is `compiled`, or `booster: ` and why its trees are not compiled.

    Attributes:
        ensemble: its compiled trees; None if they do not score.

    Args:
        booster: a booster of any kind.
        rounds: which rounds to score with.
        checked: whether the file was checked for contradictions before XGBoost read it.

    Raises:
        Damaged: if the model contradicts itself.
        Misconfigured: if the model does not have these rounds.
    """

    library = "xgboost"
    ensemble: Ensemble | None = None

    def __init__(self, booster: xgboost.Booster, rounds: Rounds | None = None, *, checked: bool = True) -> None:
        saved = _saved(booster, checked=checked)
        self.rounds = choose_rounds(saved, rounds)
        self.categories = read_categories(saved)
        if self.rounds.used < self.rounds.there:
            booster = booster[: self.rounds.used]
            saved = _saved(booster)
        booster.set_param({"nthread": 1, "device": "cpu"})
        learner = json.loads(booster.save_config())["learner"]
        self._booster = booster
        self._explainer: Explainer | None = None
        self.names = tuple(booster.feature_names) if booster.feature_names else None
        self.feature_types = tuple(booster.feature_types) if booster.feature_types else None
        self.columns = booster.num_features()
        self.objective = learner["objective"]["name"]
        self.booster_kind = learner["gradient_booster"]["name"]
        self.trees = int(grown_part(learner).get("gbtree_model_param", {}).get("num_trees", 0))
        # No bound method is kept: the cycle would keep a version that was replaced until a late garbage collection.
        self._copy = partial(_predict_copy, booster, self.feature_types)
        self._predict, self.path = self._fastest(saved)
        no_values = np.full((1, self.columns), np.nan, np.float32)
        shape = self._predict(no_values).shape[1:]
        self.classes = shape[0] if shape else 1
        self._library = Library(
            xgboost.core.XGBoostError,
            reason,
            "the booster",
            known=no_values,
            none=np.empty((0, *shape), np.float32),
        )

    def _score(self, matrix: Rows) -> Scores:
        return score_or_refuse(self._library, self._predict, matrix)

    def splits(self) -> list[Thresholds]:
        """Return the thresholds at which the trees divide each column, ascending; see `read_splits`."""
        return read_splits(_saved(self._booster), self.columns)

    def divisions(self) -> list[Division]:
        """Return how each split divided the rows of training; see `read_divisions`."""
        return read_divisions(_saved(self._booster), self.columns)

    def weights(self, matrix: Rows, trees: int) -> NDArray[np.float64] | None:
        """Return how much rows weigh in training as each of the first trees grows; see `Booster.weights`.

        The weight is the second derivative of the loss. Here it is known for the logistic loss and one tree a round.
        """
        alone = self.booster_kind == "gbtree" and self.trees == self.rounds.used
        if self.objective != "binary:logistic" or not alone:
            return None
        base = base_margins(_saved(self._booster)).astype(np.float64)
        margins = np.broadcast_to(base, len(matrix)).copy()
        found = []
        for tree in range(min(trees, self.trees)):
            odds = np.exp(-np.abs(margins))
            found.append(np.fmax(odds / (1 + odds) ** 2, _LEAST_WEIGHT))
            only = {"iteration_range": (tree, tree + 1), "predict_type": "margin", "validate_features": False}
            margins += self._booster.inplace_predict(matrix, **only) - base
        return np.array(found)

    def gains(self) -> NDArray[np.float64]:
        """Return the sum of the gains of the splits on each column; see `total_gains`."""
        return total_gains(self._booster, self.columns)

    def explainer(self, most_bytes: int) -> Explainer:
        """Return the explainer of this model. The first call builds it, which may take seconds.

        Args:
            most_bytes: the most memory that its tables may take; beyond that, XGBoost itself explains.

        Raises:
            Misconfigured: XGBoost does not explain this kind of model.
        """
        if self._explainer is None:
            from scorer.model.xgboost.explainer import XGExplainer  # noqa: PLC0415  loads kernels that scoring does without

            self._explainer = XGExplainer(self._booster, _saved(self._booster), self.objective, most_bytes)
        return self._explainer

    def confirm(self, matrix: Rows) -> None:
        """Compare the compiled trees with the booster on the given rows; if they differ, stop using them.

        Args:
            matrix: rows as for `score`.
        """
        if self.compiled:
            try:
                compare(self._predict(matrix), self._copy(matrix))
            except Disagrees as error:
                self._predict, self.path = self._by_itself(error)

    @property
    def checks(self) -> list[str]:
        """What was checked while it was loaded."""
        done = ["the model loads and scores in a process of its own"]
        if self.compiled:
            rows = f"{TRIED:,} random rows with missing values and extremes"
            done.append(f"its compiled trees equal the booster in every bit on {rows}")
        return done

    @property
    def slow(self) -> str:
        """A warning if compiled trees do not score, otherwise empty."""
        return "" if self.compiled else f"XGBoost itself scores, several times more slowly ({self.path})"

    def _unproven(self, given: Sequence[Given]) -> str:
        return unproven_order(self.categories, self.names, self.feature_types, given)

    def _fastest(self, saved: Any) -> tuple[Callable[[Rows], Rows], str]:  # noqa: ANN401  JSON
        """Return the fastest exact way to score this model, and its `path`."""
        try:
            self.ensemble = compile_trees(self._booster, saved, self._copy)
        except Damaged:
            raise
        except NotCovered as error:
            return self._by_itself(error)
        except (LookupError, TypeError, ValueError) as error:  # a later XGBoost may save its trees in another form
            return self._by_itself(NotCovered(f"its trees are saved in an unknown form: {error!r}"))
        return self.ensemble.predict, COMPILED

    def _by_itself(self, why: NotCovered) -> tuple[Callable[[Rows], Rows], str]:
        """Return how the booster itself scores, and its `path`."""
        self.ensemble = None
        if isinstance(why, Disagrees):
            log.warning("compiled trees disabled, scoring with the booster", reason=str(why))
        in_place = self.booster_kind == "gbtree"
        return partial(_predict_in_place, self._booster) if in_place else self._copy, f"booster: {why}"


def _predict_in_place(booster: xgboost.Booster, matrix: Rows) -> Rows:
    values: Rows = booster.inplace_predict(matrix, validate_features=False)
    return values


def _predict_copy(booster: xgboost.Booster, feature_types: Sequence[str] | None, matrix: Rows) -> Rows:
    """Predict as `booster.predict` does: gblinear cannot predict in place, and dart rounds differently there."""
    data = xgboost.DMatrix(matrix, nthread=1, feature_types=feature_types)
    values: Rows = booster.predict(data, validate_features=False)
    return values


def _saved(booster: xgboost.Booster, *, checked: bool = True) -> Any:  # noqa: ANN401  JSON
    """Return the learner of the saved booster; empty if a later XGBoost saves it in another form.

    Raises:
        Damaged: if it was not checked before, and contradicts itself.
    """
    try:
        learner = ubjson.read(_raw(booster))["learner"]
        if not checked:
            check(learner)
    except Damaged:
        raise
    except (LookupError, TypeError, ValueError):
        return {}
    return learner


def _raw(booster: xgboost.Booster) -> bytearray:
    """Return a booster as UBJSON.

    XGBoost keeps another copy for the calling thread until the booster is freed on that same thread. A replica frees
    a version on another thread than it loads it, so a model's size would be lost at each reload. A thread of its own
    takes the copy along when it ends.
    """
    with ThreadPoolExecutor(1) as passing:
        return passing.submit(booster.save_raw, "ubj").result()


def reason(text: str) -> str:
    """Return the message of an XGBoost error, without its time, source line and stack."""
    lines = [line for line in text.splitlines() if not line.startswith("Stack trace")] or ["no reason given"]
    return re.sub(r"^(\w+: )?\[[\d:]+\] \S+:\d+: (Check failed: )?", "", lines[0])
