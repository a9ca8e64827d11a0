"""Turns margins into scores by LightGBM's arithmetic: float64, and the same `exp`."""

import math
from collections.abc import Callable

import numpy as np

from scorer.arrays.kernel import Floats, Floats2, entry
from scorer.model.imported.grown import Doubles

Link = Callable[[Doubles], Doubles]  # of margins [rows, outputs], which it may write to


@entry
def _to_probability(values: Floats, steepness: float) -> None:
    """Replace each margin, float64 [margins], by the logistic of its multiple."""
    for at in range(len(values)):
        values[at] = 1.0 / (1.0 + math.exp(-steepness * values[at]))


@entry
def _to_power(values: Floats) -> None:
    """Replace each margin, float64 [margins], by its exponential."""
    for at in range(len(values)):
        values[at] = math.exp(values[at])


@entry
def _to_logarithm(values: Floats) -> None:
    """Replace each margin, float64 [margins], by the logarithm of one and its exponential."""
    for at in range(len(values)):
        values[at] = math.log1p(math.exp(values[at]))


@entry
def _to_probabilities(values: Floats2) -> None:
    """Replace each row of margins, float64 [rows, outputs], by its softmax."""
    for row in range(values.shape[0]):
        most = values[row, 0]
        for output in range(1, values.shape[1]):
            most = max(most, values[row, output])
        total = 0.0
        for output in range(values.shape[1]):
            values[row, output] = math.exp(values[row, output] - most)
            total += values[row, output]
        for output in range(values.shape[1]):
            values[row, output] /= total


def logistic(steepness: float) -> Link:
    """Return the logistic of a multiple of each margin."""

    def link(margins: Doubles) -> Doubles:
        _to_probability(margins.reshape(-1), steepness)
        return margins

    return link


def same(margins: Doubles) -> Doubles:
    """Return the margins."""
    return margins


def square(margins: Doubles) -> Doubles:
    """Return the squares of margins, with their signs."""
    return np.sign(margins) * margins * margins


def exponential(margins: Doubles) -> Doubles:
    """Return the exponential of each margin."""
    _to_power(margins.reshape(-1))
    return margins


def logarithm(margins: Doubles) -> Doubles:
    """Return the logarithm of one and the exponential of each margin."""
    _to_logarithm(margins.reshape(-1))
    return margins


def softmax(margins: Doubles) -> Doubles:
    """Return the softmax of the margins of each row."""
    _to_probabilities(margins)
    return margins
