"""Drift by plain numpy, from the rows themselves, one column after the other."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scorer.batch import UNKNOWN_CATEGORY

Values = NDArray[np.float32]


def unknown_of(values: Values) -> NDArray[np.bool_]:
    marked = np.float32(UNKNOWN_CATEGORY).view(np.uint32)
    found: NDArray[np.bool_] = values.view(np.uint32) == marked
    return found


def number_bins(values: Values, edges: Sequence[float], least: float, most: float) -> list[int]:
    """Return the rows below the minimum, between the edges, above the maximum, and without a value."""
    there = values[~np.isnan(values)]
    inside = there[(there >= least) & (there <= most)]
    bounds = [-math.inf, *edges, math.inf]
    inner = [int(((inside > low) & (inside <= high)).sum()) for low, high in pairwise(bounds)]
    return [int((there < least).sum()), *inner, int((there > most).sum()), int(np.isnan(values).sum())]


def code_bins(values: Values, codes: int) -> list[int]:
    """Return the rows of each code, those without a value, and those with another category."""
    known = [int((values == code).sum()) for code in range(codes)]
    missing = int((np.isnan(values) & ~unknown_of(values)).sum())
    return [*known, missing, len(values) - sum(known) - missing]


def distance(counts: Sequence[int], reference: Sequence[int]) -> tuple[float, float, int]:
    """Return PSI, the Jensen-Shannon divergence in bits, and how many bins were compared."""
    n, m = sum(counts), sum(reference)
    pairs, rare = list[tuple[int, int]](), list[tuple[int, int]]()
    for own, base in zip(counts, reference, strict=True):
        (rare if base * n < 5 * m else pairs).append((own, base))
    if rare:
        pairs.append((sum(own for own, _ in rare), sum(base for _, base in rare)))
    half = len(pairs) / 2
    psi = js = 0.0
    for own, base in pairs:
        q = (base + 0.5) / (m + half)
        p = (own + q * half) / (n + half)
        psi += (p - q) * math.log(p / q)
        js += (p * math.log2(2 * p / (p + q)) + q * math.log2(2 * q / (p + q))) / 2
    return psi, js, len(pairs)
