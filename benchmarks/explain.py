"""Explanations compared with the booster's `pred_contribs`, one thread each: microseconds per row.

For each model, both explain the same rows in turn, and the least of several times counts. The table also shows what the
contributions differ by, and what the tables cost in time and memory.
"""

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import pages, trees
from scorer.errors import Fatal
from scorer.model.xgboost.booster import XGBooster
from scorer.scoring.explaining import largest

ROWS = 500
FEW = 1, 32  # rows of smaller batches
TIMES = 3
TOP = 3
MODELS = (  # of those of the benchmark of trees
    "300 trees of depth 6",
    "300 trees of depth 6, 5 columns of categories",
    "100 rounds of 5 classes, depth 6",
    "300 trees of depth 8",
)
MOST_BYTES = 256_000_000  # the default of predictions.explain.max_bytes

Rows = NDArray[np.float32]
Call = tuple[Callable[[], object], int, int]  # what to call, how often in a row, and for how many rows


class Measured(NamedTuple):
    """What explaining with one model takes.

    theirs, ours: microseconds of CPU per row, for ROWS rows.
    few: those of ours for each of FEW.
    ranking: microseconds per row to choose the TOP columns from the contributions.
    scoring: microseconds per row to score without explaining.
    off: the largest difference of a contribution.
    seconds, size: to build the tables, and their bytes.
    """

    theirs: float
    ours: float
    few: list[float]
    ranking: float
    scoring: float
    off: float
    seconds: float
    size: int


def measure(booster: xgboost.Booster, *, categorical: bool) -> Measured:
    """Measure a model.

    Raises:
        Fatal: the tables are not used.
    """
    ours = XGBooster(booster)
    began = process_time()
    explainer = ours.explainer(MOST_BYTES)
    seconds = process_time() - began
    if explainer.path != "compiled":
        raise Fatal(f"not explained by tables, but {explainer.path}")
    matrix = trees.rows(ROWS, categorical=categorical, seed=2)
    data = xgboost.DMatrix(matrix, nthread=1, feature_types=booster.feature_types, enable_categorical=True)
    reference = booster.predict(data, pred_contribs=True, strict_shape=True)
    found = explainer.contributions(matrix)
    off = float(np.abs(found - reference).max())
    calls: list[Call] = [
        (partial(booster.predict, data, pred_contribs=True), 1, ROWS),
        (partial(explainer.contributions, matrix), 20, ROWS),
        *((partial(explainer.contributions, matrix[:size]), 100, size) for size in FEW),
        (partial(largest, found, explainer.explained(found), TOP), 100, ROWS),
        (partial(ours.score, matrix), 100, ROWS),
    ]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TIMES):
        for (call, repeat, size), taken in zip(calls, times, strict=True):
            began = process_time()
            for _ in range(repeat):
                call()
            taken.append((process_time() - began) / repeat / size * 1e6)
    theirs, mine, *few, ranking, scoring = map(min, times)
    return Measured(theirs, mine, few, ranking, scoring, off, seconds, explainer.bytes)


def run(console: Console) -> int:
    """Train each of MODELS, print a table, and return 0.

    Raises:
        Fatal: one is not explained by tables.
    """
    titles = [
        "pred_contribs",
        "tables",
        "ratio",
        *(f"{size} row{'s' * (size > 1)}" for size in FEW),
        f"top {TOP}",
        "scoring",
    ]
    table = pages.table("us of CPU a row", *titles, "difference", "start, s", "MB")
    for name in MODELS:
        console.print(name, style="dim")
        found = measure(trees.train(name), categorical=trees.is_categorical(name))
        times = f"{found.theirs:,.0f}", f"{found.ours:.1f}", f"{found.theirs / found.ours:.0f}x"
        few = (f"{each:,.0f}" for each in found.few)
        costs = (
            f"{found.ranking:.2f}",
            f"{found.scoring:.2f}",
            f"{found.off:.1e}",
            f"{found.seconds:.2f}",
            f"{found.size / 1e6:.1f}",
        )
        table.add_row(name, *times, *few, *costs)
        console.print(f"  {times[2]}", style="dim")
    pages.output().print(table)
    return 0
