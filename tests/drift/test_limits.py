"""The limit of PSI, against scipy and against simulated windows."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc
from scipy.stats import chi2

from scorer.drift.compare import compare
from scorer.drift.limits import Limits, isf, upper_gamma


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 9, 13, 50, 200, 1_025])
@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.05, 1e-3, 1e-6, 1e-9, 1e-15, 1e-40])
def test_isf_is_that_of_scipy(alpha: float, freedom: int) -> None:
    assert isf(alpha, freedom) == pytest.approx(chi2.isf(alpha, freedom), rel=1e-9)


def test_the_gamma_function_is_that_of_scipy() -> None:
    for shape in (0.5, 1.0, 4.5, 30.0, 500.0):
        for value in (shape / 10, shape / 2, shape, shape + 1, shape * 1.5, shape * 3):
            assert upper_gamma(shape, value) == pytest.approx(gammaincc(shape, value), rel=1e-10)


def test_psi_without_drift_is_as_the_formula_says() -> None:
    """Windows of 1,000 events and 10 bins: their PSI is above the limit of a chance as often as that chance."""
    n, m, many, draw = 1_000, 50_000, 20_000, np.random.default_rng(5)
    reference = draw.multinomial(m, np.full(10, 0.1), many)
    counts = draw.multinomial(n, np.full(10, 0.1), many)
    starts = np.arange(many + 1) * 10
    psi = compare(starts, counts.ravel(), reference.ravel()).psi
    for alpha in (0.1, 0.01, 0.001):
        limit = Limits(1, 1, 1, 0.0).limit(alpha, 10, n, m)
        expected = alpha * many
        assert abs((psi > limit).sum() - expected) < 4 * math.sqrt(expected) + 0.1 * expected


def test_the_chance_follows_from_the_alarms_that_are_accepted() -> None:
    once, confirmed = Limits(1, 1, 1, 0.0), Limits(1, 3, 4, 0.0)
    assert once.alpha(31, 2_592_000) == pytest.approx(1 / (31 * 2_592_000))
    alpha = confirmed.alpha(31, 2_592_000)
    assert 3 * alpha**3 * 31 * 2_592_000 == pytest.approx(1)
    assert confirmed.alpha(31, 2_592_000, independent=False) == once.alpha(31, 2_592_000)
    assert Limits(1e6, 1, 1, 0.0).alpha(1, 1) == 0.5


def test_the_least_psi_and_columns_that_cannot_differ() -> None:
    limits = Limits(1, 1, 1, 0.05)
    assert limits.limit(1e-6, 10, 1_000_000, 1_000_000) == 0.05
    assert limits.limit(1e-9, 10, 1_000, 50_000) == pytest.approx(chi2.isf(1e-9, 9) * (1 / 1_000 + 1 / 50_000))
    assert limits.limit(1e-6, 1, 1_000, 1_000) == math.inf
    assert limits.limit(1e-6, 10, 0, 1_000) == math.inf
    assert limits.limit(1e-6, 10, 1_000, 0) == math.inf
