"""Combines the scores of several versions into one. A row's result depends on nothing but its own scores."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import ScoreArray

LEAST_SCORES = 20  # different ones, for ranks that mean something


class Mean:
    """The weighted mean of scores: float64, summed in the order of the versions, then rounded to float32.

    Args:
        weights: one for each version, above 0.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.array(weights, np.float64)
        whole = np.float64(0)
        for weight in self._weights:  # in the order of the scores, so that anybody can compute the same bits
            whole += weight
        self._whole = whole

    def combine(self, scores: Sequence[ScoreArray]) -> NDArray[np.float32]:
        """Return the mean of the scores of each version, in their order."""
        return self.of([each.astype(np.float64) for each in scores])

    def of(self, values: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
        """Return the mean of float64 values."""
        total = np.zeros_like(values[0])
        for weight, each in zip(self._weights, values, strict=True):
            total += weight * each
        return (total / self._whole).astype(np.float32)


class RankMean:
    """The weighted mean of ranks: the place of each score among scores that its version gave before.

    A rank within the batch would depend on which events arrived together. A fixed reference for each version gives an
    event one value, in a stream, in a file and alone.

    Args:
        weights: one for each version, above 0.
        references: the scores to which those of each version are compared.
    """

    def __init__(self, weights: Sequence[float], references: Sequence[Sequence[float]]) -> None:
        self._mean, self._ranks = Mean(weights), [Ranks(each) for each in references]

    def combine(self, scores: Sequence[ScoreArray]) -> NDArray[np.float32]:
        """Return the mean rank of the scores of each version, in their order."""
        return self._mean.of([ranks.of(each) for ranks, each in zip(self._ranks, scores, strict=True)])


Combining = Callable[[Sequence[ScoreArray]], NDArray[np.float32]]


class Ranks:
    """Ranks scores by a reference.

    A score of the reference has the rank (lower + equal / 2) / all; between two of them a rank is interpolated. Beyond
    the lowest and the highest one, ranks approach 0 and 1, so that extreme scores keep their order.

    Args:
        reference: the scores, in any order.
    """

    def __init__(self, reference: Sequence[float]) -> None:
        every = np.array(reference, np.float32).astype(np.float64)
        self._scores, counts = np.unique(every, return_counts=True)
        self._ranks = (np.cumsum(counts) - counts / 2) / len(every)

    def of(self, scores: ScoreArray) -> NDArray[np.float64]:
        """Return the rank of each score, 0 to 1; NaN for NaN."""
        known, ranks, wanted = self._scores, self._ranks, scores.astype(np.float64)
        # np.interp would choose its arithmetic by the number of rows.
        at = np.clip(np.searchsorted(known, wanted, "right") - 1, 0, len(known) - 2)
        part = (wanted - known[at]) / (known[at + 1] - known[at])
        found = ranks[at] + part * (ranks[at + 1] - ranks[at])
        width = known[-1] - known[0]
        below = ranks[0] / (1 + (known[0] - np.minimum(wanted, known[0])) / width)
        above = 1 - (1 - ranks[-1]) / (1 + (np.maximum(wanted, known[-1]) - known[-1]) / width)
        return np.where(wanted < known[0], below, np.where(wanted > known[-1], above, found))
