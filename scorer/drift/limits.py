"""Limits of PSI: how large it may be by chance, given an accepted rate of false alarms."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

MONTH_SECONDS = 30 * 86_400.0
INDEPENDENT = 10  # with a baseline of this many windows, the error that all windows share because of it is small

_ITERATIONS, _EPSILON = 10_000, 1e-16
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Limits:
    """The conditions of an alarm.

    false_alarms: the accepted number of false alarms per month, over all columns.
    windows:      how many of the last `of` windows must be above the limit.
    of:           see `windows`.
    at_least:     the smallest PSI that can raise an alarm.
    """

    false_alarms: float
    windows: int
    of: int
    at_least: float

    def alpha(self, columns: int, windows_a_month: float, *, independent: bool = True) -> float:
        """Return the probability with which a window of a column without drift may be above the limit.

        An alarm begins with a window above the limit if `windows - 1` of the `of - 1` windows before it were above it,
        too, for which there are `choices`. If windows are independent, its probability is choices * alpha^windows.

        Args:
            columns: the number of columns.
            windows_a_month: the number of windows in a month.
            independent: False if windows share much of the reference's error, so that all may be above it together.
        """
        tests = max(1.0, windows_a_month) * columns
        if not independent:
            return min(0.5, self.false_alarms / tests)
        choices = math.comb(self.of - 1, self.windows - 1)
        chance: float = (self.false_alarms / (tests * choices)) ** (1 / self.windows)
        return min(0.5, chance)

    def limit(self, alpha: float, bins: int, events: int, reference: int) -> float:
        """Return the limit of PSI.

        Args:
            alpha: see `alpha`.
            bins: the number of bins of the column.
            events: the number of events in the window.
            reference: the number of events in the reference.
        """
        if bins <= 1 or not events or not reference:
            return math.inf
        return max(self.at_least, isf(alpha, bins - 1) * (1 / events + 1 / reference))


@lru_cache(4_096)
def isf(alpha: float, freedom: int) -> float:
    """Return the number that a chi-square variable exceeds with a chance.

    Args:
        alpha: the chance, above 0 and below 1.
        freedom: the degrees of freedom, at least 1.
    """
    # Wilson and Hilferty: the cube root is about normal.
    normal = -NormalDist().inv_cdf(max(alpha, _TINY))
    part = 2 / (9 * freedom)
    found = max(freedom * (1 - part + normal * math.sqrt(part)) ** 3, freedom * 1e-6)
    shape = freedom / 2
    for _ in range(100):
        # Newton on the logarithm of the chance, which is nearly a line far out.
        upper = upper_gamma(shape, found / 2)
        density = math.exp((shape - 1) * math.log(found / 2) - found / 2 - math.lgamma(shape)) / 2
        step = (math.log(upper) - math.log(alpha)) * upper / density
        after = found + step if found + step > 0 else found / 2
        if abs(after - found) <= 1e-14 * found:
            return after
        found = after
    return found


def upper_gamma(shape: float, value: float) -> float:
    """Return the regularised upper incomplete gamma function: the chance that a gamma variable exceeds a value."""
    front = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value < shape + 1:
        return 1 - front * _series(shape, value)
    return front * _fraction(shape, value)


def _series(shape: float, value: float) -> float:
    term = total = 1 / shape
    for step in range(1, _ITERATIONS):
        term *= value / (shape + step)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _fraction(shape: float, value: float) -> float:
    """Return the continued fraction, by Lentz's method."""
    b = value + 1 - shape
    c, d = 1 / _TINY, 1 / b
    found = d
    for step in range(1, _ITERATIONS):
        a = -step * (step - shape)
        b += 2
        d = 1 / (a * d + b or _TINY)
        c = b + a / c or _TINY
        change = c * d
        found *= change
        if abs(change - 1) < _EPSILON * 10:
            break
    return found
