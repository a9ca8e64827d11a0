"""Bad versions are withdrawn before they score more than their share of one window, and good ones never."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from scorer.rollout import Canary, Guards
from tests.conftest import mainly
from tests.rollout.group import Scores, Size, Traffic, run
from tests.rollout.test_arms import arms as arms_of

POOL, COLUMNS = 20_000, 8
UNITS = 2.0 ** np.arange(COLUMNS, dtype=np.float32)
SHARES = (1.0, 2.5, 5.0, 10.0, 25.0)

Matrix = NDArray[np.float32]


def events(seed: int, rows: int = POOL) -> tuple[Matrix, NDArray[np.bool_]]:
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(rows, COLUMNS)).astype(np.float32)
    odds = values @ np.linspace(1.5, 0.2, COLUMNS) + values[:, 0] * values[:, 1] - 2.5  # one event in six is positive
    return (values + 3) * UNITS, chance.random(rows) < 1 / (1 + np.exp(-odds))


@cache
def trained(seed: int, rounds: int = 20) -> xgboost.Booster:
    values, labels = events(seed, 5_000)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "nthread": 1, "seed": seed}
    return xgboost.train(parameters, xgboost.DMatrix(values, labels), rounds)


def scores(booster: xgboost.Booster, values: Matrix) -> Scores:
    return np.asarray(booster.inplace_predict(values), np.float32)


def arms_of_events(percent: float, keys: list[bytes]) -> NDArray[np.uint8]:
    return arms_of([Canary(version="2", percent=percent, salt="2")], list[bytes | None](keys))


def permuted(values: Matrix) -> Scores:
    return scores(trained(0), np.ascontiguousarray(values[:, ::-1]))


def without_half(values: Matrix) -> Scores:
    values = values.copy()
    values[:, : COLUMNS // 2] = np.nan
    return scores(trained(0), values)


def shifted(values: Matrix) -> Scores:
    right = scores(trained(0), values)
    return np.asarray(right / (right + (1 - right) / 6), np.float32)


BAD: dict[str, tuple[str, Callable[[Matrix], Scores]]] = {
    "NaN": ("dead_letters", lambda values: np.full(len(values), np.nan, np.float32)),
    "NaN now and then": (
        "dead_letters",
        lambda values: np.where(values[:, 0] > 4, np.float32(np.nan), scores(trained(0), values)),
    ),
    "raises": ("dead_letters", lambda values: scores(trained(0), values)),
    "wrong look-up": ("dead_letters", lambda values: scores(trained(0), values)),
    "slow": ("latency", lambda values: scores(trained(0), values)),
    "constant": ("psi", lambda values: np.full(len(values), 0.5, np.float32)),
    "inverted": ("psi", lambda values: 1 - scores(trained(0), values)),
    "another unit": ("psi", lambda values: scores(trained(0), values) * 100),
    "shifted": ("psi", shifted),
    "wrong plan": ("psi", permuted),
    "half the columns missing": ("psi", without_half),
}
FAILING = {"raises": 1.0, "wrong look-up": 0.2}
SLOWER = {"slow": 200.0}
GOOD = 20

# One of each kind is quick enough for every run; the proof has a hundred.
SEEDS = [pytest.param((0,), id="1"), pytest.param(tuple(range(1, 10)), id="10", marks=pytest.mark.prove)]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_version_is_withdrawn_before_it_scored_its_share_of_one_window(kind: str, seeds: tuple[int, ...]) -> None:
    guard, canary = BAD[kind]
    for seed in seeds:
        percent, guards = SHARES[seed % len(SHARES)], Guards()
        values, _ = events(1_000 + seed)
        keys = [b"card-%d-%d" % (seed, number) for number in range(POOL)]
        traffic = Traffic(
            pool=scores(trained(0), values),
            canary=canary(values),
            arm=arms_of_events(percent, keys),
            keys=keys,
            failing=(0.005, FAILING.get(kind, 0.005)),
            slower=SLOWER.get(kind, 1.0),
        )
        result = run(traffic, guards, percent, Size(2 * guards.window.events, 1 + seed % 4, seed))
        assert result.why.startswith(f"{guard}: "), f"{kind} at {percent}% was not withdrawn"
        assert result.by_canary < guards.window.events * percent / 100
        assert result.changes == 2, "the canary, and one withdrawal"


@pytest.mark.parametrize("seed", mainly(3, of=range(GOOD)))
def test_a_good_version_is_never_withdrawn_in_a_million_events(seed: int) -> None:
    """Versions that were trained on other events, or on the same; keys have few events, or some have very many."""
    chance = np.random.default_rng(seed)
    percent, hot = [1.0, 5.0, 20.0, 50.0][seed % 4], seed % 2 == 1
    values, _ = events(2_000 + seed)
    keys = [b"card-%d-%d" % (seed, number) for number in range(POOL)]
    weights = chance.permutation(1 / np.arange(1, POOL + 1) ** 1.1) if hot else np.ones(POOL)
    traffic = Traffic(
        pool=scores(trained(0), values),
        canary=scores(trained(seed if seed % 5 else 0), values),
        arm=arms_of_events(percent, keys),
        keys=keys,
        chances=weights / weights.sum(),
        failing=(0.005, 0.009),
        slower=1.5,
    )
    windows: set[int] = set()
    size = Size(1_000_000, 1 + seed % 5, seed, batch=4_000)
    result = run(traffic, Guards(), percent, size, lambda board: windows.add(board.window))
    assert result.changes == 1, result.why
    assert len(windows) >= 8, "it was judged in every window"
