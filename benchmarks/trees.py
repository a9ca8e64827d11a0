"""Compiled trees compared with the booster, one thread each: microseconds per row by number of rows.

For each number of rows the two take turns, and the least of many
times counts: what else the machine does only adds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import pages
from scorer.errors import Fatal
from scorer.model.xgboost.booster import XGBooster

SIZES = (1, 8, 32, 128, 512, 2000)
SECONDS = 0.4  # of each of the two, for one number of rows
LEAST = 7  # times of each at least
COLUMNS, TRAINED = 30, 8_000
CATEGORICAL, CATEGORIES = 5, 40  # columns, and of each
GROUP = 20  # rows that are ranked among themselves

Rows = NDArray[np.float32]
Measured = Callable[[], Iterator[tuple[float, float]]]

MODELS: dict[str, tuple[int, dict[str, object]]] = {  # rounds and parameters
    "300 trees of depth 6": (300, {"objective": "binary:logistic", "max_depth": 6}),
    "300 trees of depth 8": (300, {"objective": "reg:squarederror", "max_depth": 8}),
    "1,000 trees of depth 4": (1000, {"objective": "rank:pairwise", "max_depth": 4}),
    "10 trees of depth 3": (10, {"objective": "binary:logistic", "max_depth": 3}),
    "100 rounds of 5 classes, depth 6": (100, {"objective": "multi:softprob", "num_class": 5, "max_depth": 6}),
    "300 leaf-wise trees of 64 leaves": (
        300,
        {"objective": "binary:logistic", "grow_policy": "lossguide", "max_depth": 0, "max_leaves": 64},
    ),
    "300 trees of depth 6, 5 columns of categories": (300, {"objective": "binary:logistic", "max_depth": 6}),
    "100 trees of dart, depth 6": (100, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.1}),
}


def train(name: str) -> xgboost.Booster:
    """Train one of MODELS on made-up rows, and return it as a replica loads it."""
    rounds, parameters = MODELS[name]
    data = rows(TRAINED, categorical=is_categorical(name))
    signal = np.nan_to_num(data[:, :5]).sum(axis=1) + np.random.default_rng(1).normal(size=TRAINED)
    match parameters["objective"]:
        case "reg:squarederror":
            label = signal
        case "multi:softprob" | "rank:pairwise":
            label = np.digitize(signal, np.quantile(signal, [0.2, 0.4, 0.6, 0.8]))
        case _:
            label = signal > np.median(signal)
    types = ["c" if is_categorical(name) and column < CATEGORICAL else "float" for column in range(COLUMNS)]
    matrix = xgboost.DMatrix(data, label, feature_types=types, enable_categorical=True)
    if parameters["objective"] == "rank:pairwise":
        matrix.set_info(group=[GROUP] * (TRAINED // GROUP))
    booster = xgboost.train({"tree_method": "hist", "nthread": 1, "eta": 0.1, **parameters}, matrix, rounds)
    return xgboost.Booster({"nthread": 1}, model_file=booster.save_raw("ubj"))


def is_categorical(name: str) -> bool:
    """Whether one of MODELS has categorical columns."""
    return "categories" in name


def rows(count: int, *, categorical: bool, seed: int = 0) -> Rows:
    """Return rows [count, COLUMNS] with a twentieth of the values missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, COLUMNS)).astype(np.float32)
    if categorical:
        values[:, :CATEGORICAL] = rng.integers(0, CATEGORIES, (count, CATEGORICAL))
    values[rng.random(values.shape) < 1 / 20] = np.nan
    return values


def measure(booster: xgboost.Booster, *, categorical: bool) -> Iterator[tuple[float, float]]:
    """Yield, for each of SIZES, the microseconds per row of the booster and of the compiled trees."""
    ours = XGBooster(booster)
    if not ours.compiled:
        raise Fatal(f"not compiled, but {ours.path}")
    matrix = rows(max(SIZES), categorical=categorical, seed=2)
    for size in SIZES:
        some = matrix[:size]
        theirs, compiled = least(
            partial(booster.inplace_predict, some, validate_features=False),
            partial(ours.score, some),
        )
        yield theirs / size * 1e6, compiled / size * 1e6


def least(*calls: Callable[[], object]) -> list[float]:
    """Return the minimum seconds of each call; the calls alternate."""
    times: list[list[float]] = [[] for _ in calls]
    until = perf_counter() + SECONDS * len(calls)
    while perf_counter() < until or len(times[0]) < LEAST:
        for call, taken in zip(calls, times, strict=True):
            began = perf_counter()
            call()
            taken.append(perf_counter() - began)
    return [min(taken) for taken in times]


def run(console: Console) -> int:
    """Train each of MODELS, print a table, and return 0.

    Raises:
        Fatal: the trees of one are not compiled.
    """
    show(console, "booster / compiled", SIZES, {name: partial(_measured, name) for name in MODELS})
    return 0


def _measured(name: str) -> Iterator[tuple[float, float]]:
    return measure(train(name), categorical=is_categorical(name))


def show(console: Console, pair: str, sizes: Sequence[int], models: Mapping[str, Measured]) -> None:
    """Measure models, and print a table of both times and their ratio.

    Args:
        console: shows which model is measured.
        pair: what is compared.
        sizes: the numbers of rows.
        models: returns, by the name of a model, the microseconds per row of both for each of the sizes.
    """
    table = pages.table(f"us a row, {pair}", *(f"{size:,} row{'s' * (size > 1)}" for size in sizes))
    for name, measured in models.items():
        console.print(name, style="dim")
        times = (f"{theirs:.3g} / {ours:.3g} = {theirs / ours:.1f}x" for theirs, ours in measured())
        table.add_row(name, *times)
    pages.output().print(table)
