"""Batches of which only the size matters."""

import numpy as np

from scorer.batch import Records


def batch(rows: int, size: int = 0) -> Records:
    """Records whose values have so many bytes together."""
    ints = np.zeros(rows, np.int64)
    narrow = ints.astype(np.int32)
    return Records(("t",), narrow, narrow, ints, ints, [None] * rows, np.zeros(size, np.uint8), ints)
