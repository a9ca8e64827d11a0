"""Which predictions are explained, and by which columns. Imported only where explanations are on."""

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Flags, Ints, entry
from scorer.arrays.spans import HASH_BITS, Spans, hash_of
from scorer.batch import NO_COLUMN, NO_SLOT, Events, Explanations, Matrix, ScoreArray, Scores
from scorer.model import Contributions, Explainer
from scorer.settings import When

_MOST_CELLS = 1 << 21  # contributions in memory at once: 16 MiB
_SEED = 0x5EED  # the same on every replica and after every restart, so that a sample is


class Explaining:
    """Explains predictions by the columns that contributed most.

    Args:
        explainer: explains the model.
        names: the names of the model's columns.
        top: how many columns an explanation has at most.
        when: which predictions are explained.
    """

    def __init__(self, explainer: Explainer, names: tuple[str, ...], top: int, when: When) -> None:
        self._explainer, self._names, self._top, self._when = explainer, names, min(top, len(names)), when

    def explain(self, events: Events, matrix: Matrix, scores: Scores, rows: NDArray[np.int64]) -> Explanations | None:
        """Explain the predictions that ask for it.

        Args:
            events: the batch.
            matrix: the input of the model.
            scores: its output.
            rows: int64 [predictions], the rows that were scored.

        Returns:
            None if no prediction asks.
        """
        chosen = rows[self._asks(events, scores.values[rows], rows)]
        if not len(chosen):
            return None
        slots = np.full(events.rows, NO_SLOT, np.int32)
        slots[chosen] = np.arange(len(chosen))
        columns = np.empty((len(chosen), self._top), np.int32)
        contributions = np.empty((len(chosen), self._top))
        values = matrix.values[chosen]
        step = max(
            1, _MOST_CELLS // max(1, values.shape[1] * (1 if scores.values.ndim == 1 else scores.values.shape[1]))
        )
        for start in range(0, len(chosen), step):
            some = slice(start, start + step)
            found = self._explainer.contributions(values[some])
            columns[some], contributions[some] = largest(found, self._explainer.explained(found), self._top)
        seen = np.take_along_axis(values, np.maximum(columns, 0), axis=1).astype(np.float64)
        return Explanations(self._names, slots, columns, seen, contributions)

    def _asks(self, events: Events, scores: ScoreArray, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the scored rows are explained; of several scores the highest counts."""
        highest = scores if scores.ndim == 1 else scores.max(axis=1, initial=-np.inf)
        match self._when.kind:
            case "above":
                return highest > self._when.number
            case "below":
                return highest < self._when.number
            case "sample":
                drawn = np.empty(len(rows), np.bool_)
                most = round(self._when.number * (1 << HASH_BITS))
                draw(Spans(events.data, events.id_starts, events.id_ends), rows, most, drawn)
                return drawn
            case _:
                return np.ones(len(rows), np.bool_)


def largest(
    contributions: Contributions, outputs: NDArray[np.intp], top: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the columns with the largest contributions to one output of each row, and the contributions."""
    parts = contributions[np.arange(len(outputs)), outputs, :-1]
    order = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :top]
    found = np.take_along_axis(parts, order, axis=1)
    return np.where(found == 0, NO_COLUMN, order).astype(np.int32), found


@entry
def draw(ids: Spans, rows: Ints, below: int, drawn: Flags) -> None:
    """Draw a sample of events by the hash of their ids.

    Args:
        ids: the id of every row.
        rows: int64 [rows], from which to draw.
        below: hashes below this are drawn.
        drawn: bool [rows], output.
    """
    for at in range(len(rows)):
        drawn[at] = hash_of(ids.data, ids.starts[rows[at]], ids.ends[rows[at]], _SEED) < below
