"""The order of categories in a logistic model, whose training weighs rows differently in each tree."""

from itertools import permutations

import numpy as np
import pytest
import xgboost

from scorer.init import orders
from scorer.model.xgboost.booster import XGBooster

ROWS = 4_000
COUNTRIES = ("DE", "FR", "US")


def told(order: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """Train on half of the rows with codes in an order; return what the other half tells of it."""
    rng = np.random.default_rng(seed)
    texts, size = rng.choice(COUNTRIES, 2 * ROWS, p=[0.5, 0.3, 0.2]), rng.gamma(2, 1, 2 * ROWS)
    codes = np.array([order.index(text) for text in texts])
    label = size + 0.4 * codes + rng.normal(0, 0.5, 2 * ROWS) > 3
    data = xgboost.DMatrix(np.column_stack([codes, size])[:ROWS], label[:ROWS])
    booster = XGBooster(xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 40))
    known, places = [None, size[ROWS:]], np.array([float(COUNTRIES.index(text)) for text in texts[ROWS:]])
    weights = orders._weights(0, booster, known, places, len(COUNTRIES))
    return orders.certain(COUNTRIES, (), orders._seen(0, booster.divisions(), known, places, len(COUNTRIES), weights))


@pytest.mark.parametrize("seed", range(3))
def test_the_usual_order_is_told(seed: int) -> None:
    assert told(COUNTRIES, seed) == COUNTRIES


@pytest.mark.parametrize("order", [each for each in permutations(COUNTRIES) if each != COUNTRIES], ids="-".join)
def test_another_order_is_open(order: tuple[str, ...]) -> None:
    assert [told(order, seed) for seed in range(3)] == [()] * 3


def test_an_order_is_open_if_another_is_nearly_as_exact() -> None:
    counts = np.array([1_000, 300, 1_010])
    splits = [orders._Seen(frozenset(codes), counts[codes].sum() / counts.sum(), counts, 2) for codes in ([0], [2])]
    assert orders.certain(COUNTRIES, (), 4 * splits) == ()
