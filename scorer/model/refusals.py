"""Scores rows with a library that may refuse some of them: each refused row is found, and the others are scored."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Reason, Rejected, ScoreArray, Scores
from scorer.errors import Fatal

Rows = NDArray[np.float32]
Predict = Callable[[Rows], ScoreArray]


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """How a library refuses rows.

    errors:  what it raises.
    reason:  returns the message of such an error.
    name:    what it is called in messages.
    known:   a row [1, columns] that it scored when it was loaded.
    none:    its scores of no row.
    """

    errors: type[Exception]
    reason: Callable[[str], str]
    name: str
    known: Rows
    none: ScoreArray


def score_or_refuse(library: Library, predict: Predict, matrix: Rows) -> Scores:
    """Score rows [rows, columns]; refused rows are NaN, and named.

    Args:
        library: how it refuses.
        predict: returns the scores of rows.
        matrix: the rows.

    Raises:
        Fatal: if the library fails even on the row that it scored when it was loaded.
    """
    if not len(matrix):
        return Scores(library.none)
    try:
        return Scores(predict(matrix))
    except library.errors as error:
        _still_works(library, predict, error)
    values = np.full((len(matrix), *library.none.shape[1:]), np.nan, library.none.dtype)
    rejected: list[Rejected] = []
    _score_halves(library, predict, matrix, 0, values, rejected)
    return Scores(values, rejected)


def _score_halves(  # noqa: PLR0913, PLR0917  the rows, and where their scores go
    library: Library, predict: Predict, matrix: Rows, first: int, values: ScoreArray, rejected: list[Rejected]
) -> None:
    """Score rows of which at least one is refused: halve them until each refused row is on its own."""
    try:
        values[first : first + len(matrix)] = predict(matrix)
    except library.errors as error:
        if len(matrix) == 1:
            detail = f"{library.name} refused the row: {library.reason(str(error))}"
            rejected.append(Rejected(first, Reason.MODEL_ERROR, detail))
            return
        middle = len(matrix) // 2
        _score_halves(library, predict, matrix[:middle], first, values, rejected)
        _score_halves(library, predict, matrix[middle:], first + middle, values, rejected)


def _still_works(library: Library, predict: Predict, error: Exception) -> None:
    """Make sure that the row is to blame, not the library: else every event would become a dead letter."""
    try:
        predict(library.known)
    except library.errors:
        what = f"{library.name} no longer scores any row: {library.reason(str(error))}"
        raise Fatal(f"{what}; restart the replica") from error
