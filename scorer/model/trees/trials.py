"""Rows that reach the edge cases of trees, to compare two ways of scoring them.

They have values on the thresholds of the model, just beside them and far away, missing values, unseen categories and
extreme numbers, and come in blocks of many sizes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scorer.model.trees.forest import BLOCK, Forest

Rows = NDArray[np.float32]

TRIED = 10_000  # rows to compare
MOST_CELLS = 1 << 22  # most values in memory at once
_MOST = np.finfo(np.float32).max
SIZES = (1, 2, 31, BLOCK, BLOCK + 1, 500, 2000)


def rows_to_try(forest: Forest, columns: int) -> Iterator[Rows]:
    """Yield at least TRIED rows [rows, columns] that reach the edge cases of a forest; the same rows at each call."""
    rng = np.random.default_rng(0)
    pools = _pools(forest)
    tried = 0
    while tried < TRIED:
        for size in SIZES:
            count = min(size, max(1, MOST_CELLS // max(1, columns)))
            rows = rng.normal(size=(count, columns)).astype(np.float32)
            for feature, pool in zip(forest.features, pools, strict=True):
                chosen = rng.random(count) < 0.8  # noqa: PLR2004  the other values stay near 0
                rows[chosen, feature] = rng.choice(pool, int(chosen.sum()))
            tried += count
            yield rows


def _pools(forest: Forest) -> list[Rows]:
    """Return test values for each feature: its thresholds, their neighbours, its categories, and extremes."""
    used = len(forest.features)
    pools = [[np.array([np.nan, np.nan, 0, -0.0, 1e-45, -1e-45, _MOST, -_MOST])] for _ in range(used)]
    for place, count in forest.categorical.T:
        pools[place] += [np.arange(count + 2), np.array([-1, -0.5, 0.5, count - 0.5, 2**24, 3e9, 1e20])]
    for pool, thresholds in zip(pools, forest.thresholds(), strict=True):
        near = (np.nextafter(thresholds, way) for way in (-_MOST, _MOST))  # infinities are rejected before
        pool += [thresholds, *near]
    return [np.concatenate(pool).astype(np.float32) for pool in pools]
