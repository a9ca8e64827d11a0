"""How far the counts of a window are from those of a reference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RARE = 5  # a bin with fewer expected rows in a window is put together with the others like it

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """How far each column [columns] is from the reference.

    psi:  the population stability index.
    js:   the Jensen-Shannon divergence, in bits: from 0 to 1.
    bins: how many bins were compared.
    """

    psi: NDArray[np.float64]
    js: NDArray[np.float64]
    bins: NDArray[np.int64]


def compare(starts: NDArray[np.int64], counts: Counts, reference: Counts) -> Distance:
    """Compare columns, each of which has some bins.

    Bins in which the reference lets expect fewer than RARE rows of this window are put together to one, since the
    approximation by chi-square does not hold for them. With B bins left, the share of a bin in the reference is that of
    Jeffreys, q = (rows + 1/2) / (all + B/2). The window is drawn towards it by as much, p = (rows + q B/2) / (all +
    B/2), so a bin that is empty in both is no difference.

    Args:
        starts: [columns + 1], the first bin of each column.
        counts: [bins], the rows of the window.
        reference: [bins], those of the reference.
    """
    columns = len(starts) - 1
    column = np.repeat(np.arange(columns), np.diff(starts))
    rows, all_rows = (np.add.reduceat(each, starts[:-1]) for each in (counts, reference))
    rare = reference * rows[column] < RARE * all_rows[column]
    # The common bins keep their place, the rare ones of a column come after all of them.
    place = np.where(rare, len(counts) + column, np.arange(len(counts)))
    kept, group = np.unique(place, return_inverse=True)
    of = np.where(kept < len(counts), column[np.minimum(kept, len(counts) - 1)], kept - len(counts))
    bins = np.bincount(of, minlength=columns)
    half = bins / 2
    merged, base = (np.bincount(group, each, len(kept)) for each in (counts, reference))
    q = (base + 0.5) / (all_rows + half)[of]
    p = (merged + q * half[of]) / (rows + half)[of]
    psi: NDArray[np.float64] = np.bincount(of, (p - q) * np.log(p / q), columns).astype(np.float64)
    middle = (p + q) / 2
    js: NDArray[np.float64] = np.bincount(of, p * np.log2(p / middle) + q * np.log2(q / middle), columns) / 2
    return Distance(psi, np.maximum(js, 0.0), bins)


def quantiles(edges: NDArray[np.float64], counts: Counts, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of numbers in bins, as if they were spread evenly in each.

    Args:
        edges: [bins + 1], the bounds of the bins, ascending.
        counts: [bins], the rows of each.
        wanted: the quantiles, each from 0 to 1.

    Returns:
        NaN each if there are no rows.
    """
    total = counts.sum()
    if not total:
        return np.full(len(wanted), np.nan)
    return np.interp(wanted, np.concatenate([[0.0], np.cumsum(counts) / total]), edges)
