"""Turns margins into scores by XGBoost's arithmetic, with the same `expf`: equal to the booster's bit for bit."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Singles, Singles2, entry

Rows = NDArray[np.float32]

_ONE = np.float32(1)
_TINY = np.float32(1e-16)  # XGBoost adds this to avoid a division by zero
_MOST = np.float32(88.7)  # XGBoost's largest argument for `expf`


@entry
def _to_probability(values: Singles) -> None:
    """Replace each margin, float32 [margins], by its logistic."""
    for at in range(len(values)):
        power = min(-values[at], _MOST)
        values[at] = _ONE / (math.exp(power) + _ONE + _TINY)


@entry
def _to_power(values: Singles) -> None:
    """Replace each margin, float32 [margins], by its exponential."""
    for at in range(len(values)):
        values[at] = math.exp(values[at])


@entry
def _to_probabilities(values: Singles2) -> None:
    """Replace each row of margins, float32 [rows, outputs], by its softmax."""
    for row in range(values.shape[0]):
        most = values[row, 0]
        for output in range(1, values.shape[1]):
            if values[row, output] > most or np.isnan(most):
                most = values[row, output]
        total = 0.0
        for output in range(values.shape[1]):
            values[row, output] = math.exp(values[row, output] - most)
            total += np.float64(values[row, output])
        for output in range(values.shape[1]):
            values[row, output] /= np.float32(total)


def _same(margins: Rows) -> Rows:
    return margins[:, 0] if margins.shape[1] == 1 else margins


def _logistic(margins: Rows) -> Rows:
    _to_probability(margins.reshape(-1))
    return _same(margins)


def _exponential(margins: Rows) -> Rows:
    _to_power(margins.reshape(-1))
    return _same(margins)


def _softmax(margins: Rows) -> Rows:
    _to_probabilities(margins)
    return _same(margins)


def _largest(margins: Rows) -> Rows:
    classes: Rows = margins.argmax(axis=1).astype(np.float32)
    return classes


def _hinge(margins: Rows) -> Rows:
    return _same((margins > 0).astype(np.float32))


# By the objective. Each takes margins [rows, outputs], which it may write to; scores have the shape of `predict`.
LINKS: dict[str, Callable[[Rows], Rows]] = {
    "binary:hinge": _hinge,
    "binary:logistic": _logistic,
    "binary:logitraw": _same,
    "count:poisson": _exponential,
    "multi:softmax": _largest,
    "multi:softprob": _softmax,
    "rank:map": _same,
    "rank:ndcg": _same,
    "rank:pairwise": _same,
    "reg:absoluteerror": _same,
    "reg:gamma": _exponential,
    "reg:logistic": _logistic,
    "reg:pseudohubererror": _same,
    "reg:quantileerror": _same,
    "reg:squarederror": _same,
    "reg:squaredlogerror": _same,
    "reg:tweedie": _exponential,
    "survival:cox": _exponential,
}
