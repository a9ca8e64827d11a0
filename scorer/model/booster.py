"""The booster: loads a model so that a bad file is an error text, and scores float32 rows as `predict` does."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import xgboost
from numpy.typing import NDArray

from scorer.batch import Reason, Rejected, Scores
from scorer.errors import Fatal, Misconfigured, Problem, nearest
from scorer.model.agreement import Disagrees, compare, compile_trees
from scorer.model.forest import Damaged, NotCovered

PROBE_LIMIT_S = 120
LISTED = 10  # names in one message
COMPILED = "compiled"  # how a model is scored whose trees are

Rows = NDArray[np.float32]

log = structlog.get_logger()


class Booster:
    """A loaded model. One thread, which the caller's is: replicas scale the group.

    Attributes:
        names: the features' names in order, None where the model has none.
        columns: how many features a row has.
        objective: the objective's name, such as `binary:logistic`.
        booster_kind: gbtree, dart or gblinear.
        classes: numbers in a score, 1 where a score is one number.
        feature_types: XGBoost's, "c" for categorical, None where the model has none.
        trees: how many it has, 0 for gblinear.
        path: `compiled`, or `booster: ` and why its trees are not compiled.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        booster.set_param({"nthread": 1, "device": "cpu"})
        learner = json.loads(booster.save_config())["learner"]
        self._booster = booster
        self.names: tuple[str, ...] | None = tuple(booster.feature_names) if booster.feature_names else None
        self.feature_types: tuple[str, ...] | None = tuple(booster.feature_types) if booster.feature_types else None
        self.columns: int = booster.num_features()
        self.objective: str = learner["objective"]["name"]
        self.booster_kind: str = learner["gradient_booster"]["name"]
        self.trees = _count_trees(learner["gradient_booster"])
        self._predict, self.path = self._fastest()
        self._no_values = np.full((1, self.columns), np.nan, np.float32)
        self._shape = self._predict(self._no_values).shape[1:]
        self.classes: int = self._shape[0] if self._shape else 1

    def score(self, matrix: Rows) -> Scores:
        """Score rows; each score equals `booster.predict` on the same row, bit for bit, whatever the batch.

        A score that is not finite is what the model says, and is kept.

        Args:
            matrix: [rows, columns], NaN where missing, no infinities (the matrix rejects them).

        Returns:
            Values [rows], or [rows, classes]; NaN in the rows that the booster refuses by themselves.

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
        """Whether compiled trees score; else XGBoost itself does."""
        return self.path == COMPILED

    def confirm(self, matrix: Rows) -> None:
        """Hold compiled trees against the booster on rows that matter; where they differ, they are not used any more.

        Args:
            matrix: as `score` takes it.
        """
        if self.compiled:
            try:
                compare(self._predict(matrix), self._predict_copy(matrix))
            except Disagrees as error:
                self._predict, self.path = self._by_itself(error)

    def problems(self, names: Sequence[str]) -> list[Problem]:
        """Return every way in which the columns of a plan are not those of the model.

        Args:
            names: the plan's column names, in order.
        """
        where = "plan.yaml: columns"
        found = []
        if len(names) != self.columns:
            found.append(Problem(where, f"{len(names)} columns", f"the model was trained on {self.columns}"))
        if self.names is None:
            return found
        given, known = set(names), set(self.names)
        missing = [name for name in self.names if name not in given]
        unexpected = [name for name in names if name not in known]
        if missing:
            found.append(Problem(where, f"no column for the model's {_listed(missing)}", _nearest(missing, unexpected)))
        if unexpected:
            found.append(
                Problem(where, f"the model does not know {_listed(unexpected)}", _nearest(unexpected, missing))
            )
        ours, theirs = ([name for name in of if name in given & known] for of in (names, self.names))
        for mine, its in zip(ours, theirs, strict=False):
            if mine != its:
                what = f"'{mine}' stands where the model has '{its}'"
                found.append(Problem(where, what, "expected the order in which the model was trained"))
                break
        return found

    def _fastest(self) -> tuple[Callable[[Rows], Rows], str]:
        """Return the fastest way to score that is exact for this model, and what it is called."""
        try:
            return compile_trees(self._booster, self._predict_copy).predict, COMPILED
        except Damaged:
            raise
        except NotCovered as error:
            return self._by_itself(error)
        except (LookupError, TypeError, ValueError) as error:  # a later XGBoost may save its trees in another form
            return self._by_itself(NotCovered(f"its trees have a form that is not known here: {error!r}"))

    def _by_itself(self, why: NotCovered) -> tuple[Callable[[Rows], Rows], str]:
        """Return how the booster itself scores, and what that is called."""
        if isinstance(why, Disagrees):
            log.warning("the compiled trees are not used", why=str(why))
        in_place = self.booster_kind == "gbtree"
        return self._predict_in_place if in_place else self._predict_copy, f"booster: {why}"

    def _predict_in_place(self, matrix: Rows) -> Rows:
        values: Rows = self._booster.inplace_predict(matrix, validate_features=False)
        return values

    def _predict_copy(self, matrix: Rows) -> Rows:
        """Predict as `booster.predict` does: gblinear has no other way, and dart rounds differently in place."""
        data = xgboost.DMatrix(matrix, nthread=1, feature_types=self.feature_types)
        values: Rows = self._booster.predict(data, validate_features=False)
        return values

    def _score_halves(self, matrix: Rows, first: int, values: Rows, rejected: list[Rejected]) -> None:
        """Score rows of which at least one is refused, in halves until the culprits stand alone."""
        try:
            values[first : first + len(matrix)] = self._predict(matrix)
        except xgboost.core.XGBoostError as error:
            if len(matrix) == 1:
                detail = f"the booster refused the row: {_reason(str(error))}"
                rejected.append(Rejected(first, Reason.MODEL_ERROR, detail))
                return
            middle = len(matrix) // 2
            self._score_halves(matrix[:middle], first, values, rejected)
            self._score_halves(matrix[middle:], first + middle, values, rejected)

    def _still_works(self, error: Exception) -> None:
        """Tell a bad row from a booster that no longer works, which must not cost the whole stream."""
        try:
            self._predict(self._no_values)
        except xgboost.core.XGBoostError:
            raise Fatal(f"the booster no longer scores any row: {_reason(str(error))}; start again") from error


def load_booster(file: Path, *, probe: bool) -> Booster:
    """Load a model.

    Args:
        file: model.ubj or model.json; the ending says which it is.
        probe: load it in a child process first, so that a file that crashes the loader does not crash this one.

    Raises:
        Misconfigured: if it is not a model that can be loaded and scored with.
    """
    if not file.is_file():
        raise Misconfigured([Problem(str(file), "no such file", "expected an XGBoost model, .ubj or .json")])
    if probe:
        check_loads(file)
    try:
        return Booster(xgboost.Booster({"nthread": 1}, model_file=file))
    except Damaged as error:
        raise Misconfigured([_unloadable(file, str(error))]) from error
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Misconfigured([_unloadable(file, _reason(str(error)))]) from error


def check_loads(file: Path, limit_s: float = PROBE_LIMIT_S) -> None:
    """Load a model and score with it in a child process.

    Raises:
        Misconfigured: if that failed, crashed or took longer than `limit_s` seconds.
    """
    script = Path(__file__).with_name("probe.py")
    try:
        child = subprocess.run(  # noqa: S603  this interpreter, our own script, a path from the configuration
            [sys.executable, "-P", script, file],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Misconfigured([_unloadable(file, f"XGBoost was still busy with it after {limit_s:g} s")]) from error
    if child.returncode < 0:
        raise Misconfigured([_unloadable(file, f"XGBoost crashed on it (signal {-child.returncode})")])
    if child.returncode:
        raise Misconfigured([_unloadable(file, _reason(child.stderr.decode(errors="replace")))])


def _unloadable(file: Path, what: str) -> Problem:
    expected = f"expected a model that XGBoost {xgboost.__version__} can load, whole: save it again with `save_model`"
    return Problem(str(file), f"is not a model that can be used: {what}", expected)


def _count_trees(gradient_booster: dict[str, Any]) -> int:
    model = gradient_booster.get("gbtree", gradient_booster)  # dart keeps its trees in a gbtree
    return int(model.get("gbtree_model_param", {}).get("num_trees", 0))


def _reason(text: str) -> str:
    """Return the sentence in an error of XGBoost, which adds its time, its source and its stack."""
    lines = [line for line in text.splitlines() if not line.startswith("Stack trace")] or ["no reason given"]
    return re.sub(r"^(\w+: )?\[[\d:]+\] \S+:\d+: (Check failed: )?", "", lines[0])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:LISTED]) + more


def _nearest(names: Sequence[str], candidates: Sequence[str]) -> str:
    pairs = ((name, nearest(name, candidates)) for name in names[:LISTED])
    hints = [f"'{near}' for '{name}'" for name, near in pairs if near]
    return f"did you mean {', '.join(hints)}?" if hints else ""
