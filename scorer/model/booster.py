"""The booster: scores float32 rows as `predict` does, with compiled trees if they agree with it bit for bit."""

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
import xgboost
from numpy.typing import NDArray

from scorer.batch import Reason, Rejected, Scores
from scorer.errors import Fatal, Problem
from scorer.model import ubjson
from scorer.model.agreement import Disagrees, compare, compile_trees
from scorer.model.categories import Given, category_concerns, compare_categories, read_categories, unproven_order
from scorer.model.column_names import compare_names
from scorer.model.forest import NotCovered
from scorer.model.importance import total_gains
from scorer.model.nodes import Damaged
from scorer.model.rounds import Rounds, choose_rounds
from scorer.model.soundness import check
from scorer.model.splits import Thresholds, read_splits

if TYPE_CHECKING:
    from scorer.model.explain import Explainer

COMPILED = "compiled"  # the path of a model whose trees are compiled

Rows = NDArray[np.float32]

log = structlog.get_logger()


class Booster:
    """A loaded model. It scores on the caller's thread alone: the group scales by replicas, not threads.

    Attributes:
        names: the features' names in order, or None if the model has none.
        columns: how many features a row has.
        objective: the objective's name, such as `binary:logistic`.
        booster_kind: gbtree, dart or gblinear.
        classes: how many numbers a score has.
        feature_types: XGBoost's feature types, with "c" for categorical, or None if the model has none.
        trees: how many trees score, 0 for gblinear.
        rounds: which rounds score.
        categories: the categories of each feature, in the order of their codes; empty if the model does not keep them.
        path: `compiled`, or `booster: ` and why its trees are not compiled.

    Args:
        booster: a booster of any kind.
        rounds: which rounds to score with.
        checked: whether the file was checked for contradictions before XGBoost read it.

    Raises:
        Damaged: if the model contradicts itself.
        Misconfigured: if the model does not have these rounds.
    """

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
        self.names: tuple[str, ...] | None = tuple(booster.feature_names) if booster.feature_names else None
        self.feature_types: tuple[str, ...] | None = tuple(booster.feature_types) if booster.feature_types else None
        self.columns: int = booster.num_features()
        self.objective: str = learner["objective"]["name"]
        self.booster_kind: str = learner["gradient_booster"]["name"]
        self.trees = _count_trees(learner["gradient_booster"])
        self._predict, self.path = self._fastest(saved)
        self._no_values = np.full((1, self.columns), np.nan, np.float32)
        self._shape = self._predict(self._no_values).shape[1:]
        self.classes: int = self._shape[0] if self._shape else 1

    def score(self, matrix: Rows) -> Scores:
        """Score rows; each score equals `booster.predict` on the same row, bit for bit, whatever the batch.

        A score that is not finite is kept: it is the model's answer.

        Args:
            matrix: [rows, columns], NaN where missing, no infinities (the matrix rejects them).

        Returns:
            Values [rows], or [rows, classes]; NaN in rows that the booster refuses even on their own.

        Raises:
            Fatal: if the booster fails even on the row that it scored when it was loaded.
        """
        if matrix.shape[1] != self.columns:
            raise ValueError(f"{matrix.shape[1]} columns for a model of {self.columns}")
        if not len(matrix):
            return Scores(np.empty((0, *self._shape), np.float32))
        try:
            return Scores(self._predict(matrix))
        except xgboost.core.XGBoostError as error:
            self._still_works(error)
        values = np.full((len(matrix), *self._shape), np.nan, np.float32)
        rejected: list[Rejected] = []
        self._score_halves(matrix, 0, values, rejected)
        return Scores(values, rejected)

    @property
    def compiled(self) -> bool:
        """Whether compiled trees score; otherwise XGBoost does."""
        return self.path == COMPILED

    def splits(self) -> list[Thresholds]:
        """Return the thresholds at which the trees divide each column, ascending; see `read_splits`."""
        return read_splits(_saved(self._booster), self.columns)

    def gains(self) -> NDArray[np.float64]:
        """Return the sum of the gains of the splits on each column; see `total_gains`."""
        return total_gains(self._booster, self.columns)

    def explainer(self, most_bytes: int) -> "Explainer":
        """Return what explains scores of this model; it is built at the first call, which takes up to seconds.

        Args:
            most_bytes: the most memory that its tables may take; beyond that, XGBoost itself explains.

        Raises:
            Misconfigured: XGBoost does not explain this kind of model.
        """
        if self._explainer is None:
            from scorer.model.explain import Explainer  # noqa: PLC0415  loads kernels that scoring does without

            self._explainer = Explainer(self._booster, _saved(self._booster), self.objective, most_bytes)
        return self._explainer

    def confirm(self, matrix: Rows) -> None:
        """Compare the compiled trees with the booster on the given rows; if they differ, stop using them.

        Args:
            matrix: rows as for `score`.
        """
        if self.compiled:
            try:
                compare(self._predict(matrix), self._predict_copy(matrix))
            except Disagrees as error:
                self._predict, self.path = self._by_itself(error)

    def problems(self, names: Sequence[str]) -> list[Problem]:
        """Return every difference between the columns of a plan and those of the model.

        Args:
            names: the plan's column names, in order.
        """
        return compare_names(self.columns, self.names, names)

    def category_problems(self, given: Sequence[Given]) -> list[Problem]:
        """Return a problem for each column of a plan whose categories are not those of the model.

        Args:
            given: the plan's columns, in order.
        """
        return compare_categories(self.categories, self.names, given)

    def concerns(self, given: Sequence[Given], *, proven: bool) -> list[str]:
        """Return warnings about things that work but may surprise.

        Args:
            given: the plan's columns, in order.
            proven: whether golden events prove the scores.
        """
        found = [self.rounds.concern, *category_concerns(self.categories, self.names, given)]
        if not proven:
            found.append(unproven_order(self.categories, self.names, self.feature_types, given))
        return [concern for concern in found if concern]

    def _fastest(self, saved: Any) -> tuple[Callable[[Rows], Rows], str]:  # noqa: ANN401  JSON
        """Return the fastest exact way to score this model, and its `path`."""
        try:
            return compile_trees(self._booster, saved, self._predict_copy).predict, COMPILED
        except Damaged:
            raise
        except NotCovered as error:
            return self._by_itself(error)
        except (LookupError, TypeError, ValueError) as error:  # a later XGBoost may save its trees in another form
            return self._by_itself(NotCovered(f"its trees are saved in an unknown form: {error!r}"))

    def _by_itself(self, why: NotCovered) -> tuple[Callable[[Rows], Rows], str]:
        """Return how the booster itself scores, and its `path`."""
        if isinstance(why, Disagrees):
            log.warning("compiled trees disabled, scoring with the booster", reason=str(why))
        in_place = self.booster_kind == "gbtree"
        return self._predict_in_place if in_place else self._predict_copy, f"booster: {why}"

    def _predict_in_place(self, matrix: Rows) -> Rows:
        values: Rows = self._booster.inplace_predict(matrix, validate_features=False)
        return values

    def _predict_copy(self, matrix: Rows) -> Rows:
        """Predict as `booster.predict` does: gblinear cannot predict in place, and dart rounds differently there."""
        data = xgboost.DMatrix(matrix, nthread=1, feature_types=self.feature_types)
        values: Rows = self._booster.predict(data, validate_features=False)
        return values

    def _score_halves(self, matrix: Rows, first: int, values: Rows, rejected: list[Rejected]) -> None:
        """Score rows of which at least one is refused: halve them until each refused row is on its own."""
        try:
            values[first : first + len(matrix)] = self._predict(matrix)
        except xgboost.core.XGBoostError as error:
            if len(matrix) == 1:
                detail = f"the booster refused the row: {reason(str(error))}"
                rejected.append(Rejected(first, Reason.MODEL_ERROR, detail))
                return
            middle = len(matrix) // 2
            self._score_halves(matrix[:middle], first, values, rejected)
            self._score_halves(matrix[middle:], first + middle, values, rejected)

    def _still_works(self, error: Exception) -> None:
        """Make sure that the row is to blame, not the booster: else every event would become a dead letter."""
        try:
            self._predict(self._no_values)
        except xgboost.core.XGBoostError:
            raise Fatal(f"the booster no longer scores any row: {reason(str(error))}; restart the replica") from error


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


def _count_trees(gradient_booster: dict[str, Any]) -> int:
    model = gradient_booster.get("gbtree", gradient_booster)  # dart keeps its trees in a gbtree
    return int(model.get("gbtree_model_param", {}).get("num_trees", 0))


def reason(text: str) -> str:
    """Return the message of an XGBoost error, without its time, source line and stack."""
    lines = [line for line in text.splitlines() if not line.startswith("Stack trace")] or ["no reason given"]
    return re.sub(r"^(\w+: )?\[[\d:]+\] \S+:\d+: (Check failed: )?", "", lines[0])
