"""Which boosting rounds of a model score: all of them, the best that early stopping found, or the first few.

`xgboost.train` with early stopping keeps the rounds after the best one and notes the best one in the file. XGBoost's
`Booster.predict` uses all rounds, but its `XGBClassifier.predict` only those up to the best.
"""

import re
import reprlib
from dataclasses import dataclass
from typing import Any

from scorer.errors import Misconfigured, Problem
from scorer.model.saved.nodes import grown_part

Rounds = str | int  # ALL, BEST, or a number: the first so many rounds
ALL, BEST = "all", "best"
WHERE = "rounds (in manifest.json, or --rounds)"
EXPECTED = "expected best, all or a number from 1"


@dataclass(frozen=True, slots=True)
class Boosted:
    """The rounds of a model file and those that score.

    there: rounds in the file; 0 if it has none or does not say.
    best:  the number of rounds up to the best one in training; None if the file does not say.
    used:  the number of rounds that score, from the first.
    asked: the choice in the manifest or the command; None if there is none.
    """

    there: int
    best: int | None
    used: int
    asked: Rounds | None

    @property
    def concern(self) -> str:
        """Return a warning if rounds after the best one score without having been chosen; otherwise empty."""
        if self.asked is not None or self.best is None or self.best >= self.there:
            return ""
        return (
            f"the model scores with all of its {self.there} rounds, but early stopping found the first {self.best} best"
            " (XGBClassifier and XGBRegressor use only those): add it with `scorer models add --rounds best`, or with"
            " `--rounds all` to keep all"
        )

    def __str__(self) -> str:
        found = f"; early stopping found the first {self.best} best" if self.best is not None else ""
        return f"{self.used} of {self.there}{found}"


def parse_rounds(value: object) -> Rounds:
    """Parse the rounds in a manifest or an option.

    Raises:
        ValueError: if the value is not `best`, `all` or a number from 1.
    """
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, str) and value in {ALL, BEST}:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"found {reprlib.repr(value)}; {EXPECTED}")


def choose_rounds(learner: Any, asked: Rounds | None) -> Boosted:  # noqa: ANN401  JSON
    """Decide which rounds score.

    Args:
        learner: the learner of the saved model.
        asked: the choice in the manifest or the command; None means all.

    Raises:
        Misconfigured: if the model does not have these rounds.
    """
    there, best, sliceable = _rounds_of(learner)
    if asked not in {None, ALL} and not sliceable:
        raise refused(f"is {asked}, but a model of this kind can only score with all of its rounds", "remove it")
    return choose(there, best, asked)


def choose(there: int, best: int | None, asked: Rounds | None) -> Boosted:
    """Decide which rounds of a model score.

    Args:
        there: rounds in the file.
        best: the number of rounds up to the best one in training; None if the file does not say.
        asked: the choice in the manifest or the command; None means all.

    Raises:
        Misconfigured: if the model does not have these rounds.
    """
    if asked in {None, ALL}:
        return Boosted(there, best, there, asked)
    if asked == BEST and best is None:
        what = "is best, but the file has no best round: it was trained without early stopping"
        raise refused(what, f"use all or a number from 1 to {there}")
    used = best if asked == BEST else asked
    if not isinstance(used, int) or used > there:
        what = f"best, which would be the first {used}" if asked == BEST else str(used)
        raise refused(f"is {what}, but the model has {there} rounds", f"use at most {there}")
    return Boosted(there, best, used, asked)


def _rounds_of(learner: Any) -> tuple[int, int | None, bool]:  # noqa: ANN401  JSON
    """Return the number of rounds, the number up to the best one, and whether the model can score with only some."""
    try:
        booster = learner["gradient_booster"]
        if booster["name"] == "gblinear":  # each round changes the same weights, so rounds cannot be separated
            return int(booster["model"].get("boosted_rounds", 0)), None, False
        there = len(grown_part(learner)["model"]["iteration_indptr"]) - 1
        noted = learner.get("attributes", {}).get("best_iteration", "")
    except (AttributeError, LookupError, TypeError, ValueError):  # an unknown form
        return 0, None, False
    best = int(noted) + 1 if re.fullmatch("[0-9]{1,9}", str(noted)) else None
    return there, best, True


def refused(what: str, expected: str) -> Misconfigured:
    """Return the error for a choice that the model does not have."""
    return Misconfigured([Problem(WHERE, what, expected)])
