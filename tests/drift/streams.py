"""Rows of a model with columns of every kind, and what a replica tells of them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scorer.batch import UNKNOWN_CATEGORY
from scorer.drift import NUMBER, Baseline, Slice, make_baseline
from scorer.drift.baseline import counted

COLUMNS: Mapping[str, int] = {"amount": NUMBER, "hour": NUMBER, "carrier": 4, "constant": NUMBER, "absent": NUMBER}


def rows(
    many: int, seed: int = 0, *, shift: float = 0.0, missing: float = 0.05
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a matrix and scores."""
    draw = np.random.default_rng(seed)
    values = np.stack(
        [
            draw.normal(shift, 1, many),
            draw.integers(0, 24, many),
            draw.choice(4, many, p=[0.6, 0.3, 0.099, 0.001]),
            np.full(many, 3.0),
            np.full(many, np.nan),
        ],
        axis=1,
    ).astype(np.float32)
    values[draw.random(many) < missing, 0] = np.nan
    values[draw.random(many) < 0.01, 2] = UNKNOWN_CATEGORY
    return values, draw.beta(2, 5, many).astype(np.float32)


def baseline(many: int = 20_000, seed: int = 7) -> Baseline:
    return make_baseline(COLUMNS, *rows(many, seed))


def slice_of(  # noqa: PLR0913, PLR0917  each is a part of a slice
    base: Baseline,
    values: NDArray[np.float32],
    scores: NDArray[np.float32],
    first: int = 0,
    partition: int = 0,
    arm: str = "1/champion",
) -> Slice:
    of_scores = counted(base.score_layout, scores.reshape(len(values), -1))
    counts = counted(base.layout, values)
    many = len(values)
    return Slice("in", partition, first, first + many, many, 0, base.id, counts, {arm: of_scores})
