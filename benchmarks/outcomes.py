"""Predictions of given scores, for what observes batches: the events have neither ids nor times, and no features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Predictions, Records, Rejected


def predicted(records: Records, scores: NDArray[np.floating[Any]], rejected: Sequence[Rejected] = ()) -> Predictions:
    """Return the predictions of records by one champion.

    Args:
        records: the batch.
        scores: [rows] or [rows, classes].
        rejected: the rows that have no prediction.
    """
    rows = len(scores)
    return Predictions(
        rows=np.delete(np.arange(rows), [each.row for each in rejected]),
        data=np.empty(0, np.uint8),
        id_starts=np.zeros(rows, np.int64),
        id_ends=np.zeros(rows, np.int64),
        scores=scores,
        model="m",
        arms=(("1", "champion"),),
        arm=np.zeros(rows, np.uint8),
        entities=(),
        missing=np.zeros((rows, 0), np.bool_),
        degraded=False,
        origin=records.origin,
        event_time=np.zeros(rows, np.int64),
        scored_at=0,
    )
