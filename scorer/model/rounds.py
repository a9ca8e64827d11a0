"""Which boosting rounds of a model score: all of them, the best that early stopping found, or the first few.

`xgboost.train` with early stopping keeps the rounds after the best one and notes the best in the file. XGBoost's own
`Booster.predict` uses all of them, and its `XGBClassifier.predict` only the best.
"""

import re
import reprlib
from dataclasses import dataclass
from typing import Any

from scorer.errors import Misconfigured, Problem

Rounds = str | int  # ALL, BEST or how many of the first
ALL, BEST = "all", "best"
WHERE = "rounds (in manifest.json, or --rounds)"
EXPECTED = "expected best, all or a number from 1"


@dataclass(frozen=True, slots=True)
class Boosted:
    """The rounds of a model file and those that score.

    there: rounds in the file; 0 where it has none or does not say.
    best:  how many of the first were best when it was trained; None where the file does not say.
    used:  how many of the first score.
    asked: what the manifest or the command says; None where it says nothing.
    """

    there: int
    best: int | None
    used: int
    asked: Rounds | None

    @property
    def concern(self) -> str:
        """Return the warning that more rounds score than were best; empty where nobody need be warned."""
        if self.asked is not None or self.best is None or self.best >= self.there:
            return ""
        return (
            f"the model scores with all of its {self.there} rounds, and early stopping found the first {self.best} best"
            " (which XGBClassifier and XGBRegressor use): add it with `scorer models add --rounds best`, or with"
            " `--rounds all` if all are meant"
        )

    def __str__(self) -> str:
        found = f"; early stopping found the first {self.best} best" if self.best is not None else ""
        return f"{self.used} of {self.there}{found}"


def parse_rounds(value: object) -> Rounds:
    """Return which rounds a manifest or an option means.

    Raises:
        ValueError: if it is none of `best`, `all` and a number from 1.
    """
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, str) and value in {ALL, BEST}:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"found {reprlib.repr(value)}; {EXPECTED}")


def choose_rounds(learner: Any, asked: Rounds | None) -> Boosted:  # noqa: ANN401  JSON
    """Work out which rounds score.

    Args:
        learner: of the saved model.
        asked: what the manifest or the command says; None for nothing, which means all.

    Raises:
        Misconfigured: if the model does not have them.
    """
    there, best, sliceable = _rounds_of(learner)
    if asked in {None, ALL}:
        return Boosted(there, best, there, asked)
    if not sliceable:
        raise _refused(f"is {asked}, and a model of this kind can only score with all of its rounds", "leave it out")
    if asked == BEST and best is None:
        what = "is best, and the file does not say which rounds are: it was trained without early stopping"
        raise _refused(what, f"give all or a number from 1 to {there}")
    used = best if asked == BEST else asked
    if not isinstance(used, int) or used > there:
        what = f"best, which would be the first {used}" if asked == BEST else str(used)
        raise _refused(f"is {what}, and the model has {there} rounds", f"give at most {there}")
    return Boosted(there, best, used, asked)


def _rounds_of(learner: Any) -> tuple[int, int | None, bool]:  # noqa: ANN401  JSON
    """Return how many rounds a model has, how many of them are best, and whether the rest can be left out."""
    try:
        booster = learner["gradient_booster"]
        if booster["name"] == "gblinear":  # each round changes the same weights, so there is nothing to leave out
            return int(booster["model"].get("boosted_rounds", 0)), None, False
        there = len(booster.get("gbtree", booster)["model"]["iteration_indptr"]) - 1
        noted = learner.get("attributes", {}).get("best_iteration", "")
    except (AttributeError, LookupError, TypeError, ValueError):  # of another form than is known here
        return 0, None, False
    best = int(noted) + 1 if re.fullmatch("[0-9]{1,9}", str(noted)) else None
    return there, best, True


def _refused(what: str, expected: str) -> Misconfigured:
    return Misconfigured([Problem(WHERE, what, expected)])
