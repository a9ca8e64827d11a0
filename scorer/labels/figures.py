"""Measures of quality and their intervals, which hold the true value in 95 of 100 cases, from the sums of a cell."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.labels.cells import Cell, Measure
from scorer.labels.pairs import Pairs
from scorer.labels.task import Task

Z = NormalDist().inv_cdf(0.975)


class Estimate(NamedTuple):
    """A measure, with an interval; without one if there are too few events for it, or no formula.

    value: the measure.
    low:   the lower end of the interval; NaN without one.
    high:  the upper end.
    error: by how much the value may be off since scores were counted coarsely; 0 if they were not.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    error: float = 0.0


Estimates = dict[str, Estimate]


def figures(measure: Measure, cell: Cell) -> Estimates:
    """Return the measures of a cell by name; those for which it has no events are left out."""
    match measure.task:
        case Task.NUMBER:
            return _of_numbers(cell)
        case Task.CLASSES:
            return _of_classes(cell)
        case Task.BINARY:
            return _of_binary(cell)


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return how much larger the first is than the second, if both are of different events.

    The interval is that of Zou and Donner (2008), which is made of the intervals of the two: for proportions it is
    Newcombe's, and where both are symmetric it is the ordinary one.
    """
    apart = one.value - other.value
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(apart, apart - down, apart + up, one.error + other.error)


def auc(pairs: Pairs) -> Estimate | None:
    """Return the area under the ROC curve, in which ties count half, with DeLong's interval; None without both labels.

    If scores were counted coarsely, pairs of events that have become ties may each be off by a half.
    """
    negatives, positives = pairs.negatives.astype(np.float64), pairs.positives.astype(np.float64)
    all_negatives, all_positives = float(negatives.sum()), float(positives.sum())
    if not all_negatives or not all_positives:
        return None
    below = np.cumsum(negatives) - negatives
    above = all_positives - np.cumsum(positives)
    of_positive = (below + negatives / 2) / all_negatives  # the share of negatives that a positive is ahead of
    of_negative = (above + positives / 2) / all_positives
    value = math.fsum(positives * of_positive) / all_positives
    variance = _variance(of_positive, positives, value) / all_positives
    variance += _variance(of_negative, negatives, value) / all_negatives
    tied = math.fsum(negatives * positives) / 2 / (all_negatives * all_positives)
    half = Z * math.sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), tied if pairs.shift else 0.0)


def proportion(successes: float, trials: float) -> Estimate | None:
    """Return a share with Wilson's interval; None without trials."""
    if not trials:
        return None
    share, square = successes / trials, Z**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = Z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return Estimate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def mean(total: float, squares: float, events: int) -> Estimate | None:
    """Return a mean with the interval of the normal distribution; None without events.

    Args:
        total: the sum.
        squares: the sum of the squares.
        events: how many.
    """
    if not events:
        return None
    value = total / events
    if events == 1:
        return Estimate(value)
    half = Z * math.sqrt(max(0.0, squares / events - value**2) / (events - 1))
    return Estimate(value, value - half, value + half)


def _of_binary(cell: Cell) -> Estimates:
    moments, events = cell.moments, cell.used
    found, missed = cell.outcomes.get((1, 1), 0), cell.outcomes.get((1, 0), 0)
    false = cell.outcomes.get((0, 1), 0)
    measures = {
        "auc": auc(cell.pairs),
        "precision": proportion(found, found + false),
        "recall": proportion(found, found + missed),
        "positives": proportion(found + missed, events),
    }
    if moments:
        measures |= {name: mean(moments[name], moments[f"{name}_square"], events) for name in ("log_loss", "brier")}
        measures["bias"] = mean(moments["error"], moments["brier"], events)
    return _known(measures)


def _of_numbers(cell: Cell) -> Estimates:
    moments, events = cell.moments, cell.used
    if not events:
        return {}
    squares = mean(moments["square"], moments["fourth"], events)
    return _known({
        "rmse": squares and Estimate(*(math.sqrt(max(each, 0.0)) for each in squares[:3])),
        "mae": mean(moments["absolute"], moments["square"], events),
        "bias": mean(moments["error"], moments["square"], events),
    })  # fmt: skip


def _of_classes(cell: Cell) -> Estimates:
    right = sum(count for (label, predicted), count in cell.outcomes.items() if label == predicted)
    accuracy = proportion(right, cell.used)
    return _known({"accuracy": accuracy, "macro_f1": Estimate(_macro_f1(cell)) if accuracy else None})


def _macro_f1(cell: Cell) -> float:
    """Return the mean of F1 over all classes that are a label or a prediction."""
    classes = sorted({each for pair in cell.outcomes for each in pair})
    scores = []
    for each in classes:
        hits = cell.outcomes.get((each, each), 0)
        labels = sum(number for (label, _), number in cell.outcomes.items() if label == each)
        predicted = sum(number for (_, guess), number in cell.outcomes.items() if guess == each)
        scores.append(2 * hits / (labels + predicted))
    return math.fsum(scores) / len(scores)


def _variance(values: NDArray[np.float64], counts: NDArray[np.float64], value: float) -> float:
    """Return the variance of values with these counts around their mean, without bias."""
    events = float(counts.sum())
    return math.fsum(counts * (values - value) ** 2) / (events - 1) if events > 1 else 0.0


def _known(measures: dict[str, Estimate | None]) -> Estimates:
    return {name: each for name, each in measures.items() if each is not None}
