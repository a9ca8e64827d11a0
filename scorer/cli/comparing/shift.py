"""How the scores of two versions differ on the same events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)  # of the quantiles that are shown
LARGEST = 10  # events with the largest differences that are kept
BINS = 20  # of a histogram
TAIL = 0.5  # percent of all scores that may be beyond either end of a histogram, in its outermost bins
PSI_BINS = 10
LEAST_SHARE = 1e-4  # of a bin in the index, which would be infinite for an empty one

Scores = NDArray[np.float32]  # [events, outputs]
Numbers = NDArray[np.float64]  # [events]
Document = dict[str, Any]


@dataclass(slots=True)
class Fate:
    """What became of the events under one version: how many it scored, and how many it rejected for which reason."""

    scored: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def document(self) -> Document:
        """Return the counts as JSON."""
        return {"scored": self.scored, "rejected": dict(sorted(self.rejected.items()))}


@dataclass(frozen=True, slots=True)
class Farthest:
    """An event whose scores differ."""

    event: str
    before: Sequence[float]
    after: Sequence[float]
    difference: float  # in the output where it is the largest

    def document(self) -> Document:
        """Return the event as JSON; a single output as a number."""
        before, after = (_plain(side) for side in (self.before, self.after))
        return {"event_id": self.event, "before": before, "after": after, "difference": self.difference}


class Pairs:
    """Collects the scores of events that two versions scored.

    The scores stay in memory, with four bytes for each; of the ids, only those of the largest differences.
    """

    def __init__(self) -> None:
        self.events = 0
        self.farthest: list[Farthest] = []
        self._chunks: list[tuple[Scores, Scores]] = []

    def add(self, ids: Sequence[bytes], before: Scores, after: Scores) -> None:
        """Take the scores of some events.

        Args:
            ids: the event ids, UTF-8.
            before: [events, outputs], the scores of the first version.
            after: the same of the second.
        """
        if not len(before):
            return
        self.events += len(before)
        self._chunks.append((before, after))
        apart = np.abs(after.astype(np.float64) - before)
        apart = np.where(np.isfinite(apart), apart, 0).max(axis=1)
        for row in np.argsort(-apart, kind="stable")[:LARGEST].tolist():
            if apart[row]:
                name = ids[row].decode(errors="replace")
                sides = before[row].tolist(), after[row].tolist()
                self.farthest.append(Farthest(name, *sides, float(apart[row])))
        self.farthest = sorted(self.farthest, key=lambda each: -each.difference)[:LARGEST]

    def shifts(self) -> list["Shift"]:
        """Return the shift of each output; none without events."""
        if not self._chunks:
            return []
        before, after = (np.concatenate(side) for side in zip(*self._chunks, strict=True))
        return [Shift.of(before[:, output], after[:, output]) for output in range(before.shape[1])]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """The shares of both versions' scores in the same bins; the outermost bins have no outer end.

    edges:  [bins + 1].
    before: [bins], the share of the events.
    after:  [bins].
    """

    edges: Numbers
    before: Numbers
    after: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """How one output of two versions differs, over the events for which both are finite.

    events:     how many there are.
    not_finite: how many there are beside them.
    equal:      how many have the same score in every bit.
    """

    events: int
    not_finite: int
    equal: int
    mean: tuple[float, float]
    quantiles: tuple[Numbers, Numbers]
    mean_difference: float  # the mean of the absolute differences
    psi: float
    correlation: float | None
    rank_correlation: float | None
    histogram: Histogram

    @classmethod
    def of(cls, before: Scores, after: Scores) -> "Shift":
        """Compare the scores [events] of two versions."""
        finite = np.isfinite(before) & np.isfinite(after)
        equal = int((before[finite] == after[finite]).sum())
        old, new = before[finite].astype(np.float64), after[finite].astype(np.float64)
        if not len(old):
            nothing = np.full(len(LEVELS), np.nan)
            empty = Histogram(np.zeros(BINS + 1), np.zeros(BINS), np.zeros(BINS))
            return cls(0, len(before), 0, (0, 0), (nothing, nothing), 0, 0, None, None, empty)
        return cls(
            events=len(old),
            not_finite=len(before) - len(old),
            equal=equal,
            mean=(float(old.mean()), float(new.mean())),
            quantiles=(np.quantile(old, LEVELS), np.quantile(new, LEVELS)),
            mean_difference=float(np.abs(new - old).mean()),
            psi=stability_index(old, new),
            correlation=correlation(old, new),
            rank_correlation=correlation(_ranks(old), _ranks(new)),
            histogram=histogram(old, new),
        )

    def document(self) -> Document:
        """Return everything as JSON."""
        return {
            "events": self.events,
            "not_finite": self.not_finite,
            "equal": self.equal,
            "mean": _sides(self.mean),
            "quantiles": [
                {"level": level} | _sides(pair)
                for level, *pair in zip(LEVELS, *(side.tolist() for side in self.quantiles), strict=True)
            ]
            if self.events
            else [],
            "mean_absolute_difference": self.mean_difference,
            "psi": self.psi,
            "correlation": self.correlation,
            "rank_correlation": self.rank_correlation,
            "histogram": {name: getattr(self.histogram, name).tolist() for name in ("edges", "before", "after")},
        }


def stability_index(before: Numbers, after: Numbers) -> float:
    """Return the population stability index over the deciles of the first scores; 0 for equal distributions.

    A score that makes up several deciles, as a constant does, is a bin of its own.
    """
    cuts, counts = np.unique(np.quantile(before, np.arange(1, PSI_BINS) / PSI_BINS), return_counts=True)
    inner = np.sort(np.concatenate([cuts, np.nextafter(cuts[counts > 1], np.inf)]))
    old, new = (
        np.maximum(
            np.bincount(np.searchsorted(inner, side, "right"), minlength=len(inner) + 1) / len(side), LEAST_SHARE
        )
        for side in (before, after)
    )
    return float(((new - old) * np.log(new / old)).sum())


def correlation(before: Numbers, after: Numbers) -> float | None:
    """Return Pearson's correlation; None if one side is constant, where there is none."""
    old, new = before - before.mean(), after - after.mean()
    size = float(np.sqrt((old @ old) * (new @ new)))
    return float(np.clip((old @ new) / size, -1, 1)) if size else None


def histogram(before: Numbers, after: Numbers) -> Histogram:
    """Return how the scores of both sides are distributed over the same bins of equal width."""
    low, high = np.percentile(np.concatenate([before, after]), [TAIL, 100 - TAIL])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    old, new = (
        np.bincount(np.searchsorted(edges[1:-1], side, "right"), minlength=BINS) / len(side) for side in (before, after)
    )
    return Histogram(edges, old, new)


def _ranks(values: Numbers) -> Numbers:
    """Return the rank of each value; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Numbers = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _sides(pair: Sequence[float]) -> Document:
    return {"before": pair[0], "after": pair[1]}


def _plain(values: Sequence[float]) -> object:
    shown = [value if np.isfinite(value) else None for value in values]
    return shown if len(shown) > 1 else shown[0]
