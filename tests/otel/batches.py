"""Batches as the loop has them, whose events may carry a trace."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from scorer.batch import Matrix, Outcome, Predictions, Reason, Records, Rejected

EVENTS_TRACE, EVENTS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{EVENTS_TRACE}-{EVENTS_SPAN}-01".encode()


class Event:
    """A message of the client, with headers."""

    def __init__(self, headers: Sequence[tuple[str, bytes | None]] = ()) -> None:
        self._headers = headers

    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        return self._headers


def batch(
    *headers: Sequence[tuple[str, bytes | None]], partition: int = 0, rejected: int = 0
) -> tuple[Records, Outcome]:
    """Return a batch with an event for each of some headers; the last ones were rejected."""
    rows = len(headers)
    records = replace(
        Records.numbered(rows),
        topics=("flights",),
        topic=np.zeros(rows, np.int32),
        partition=np.full(rows, partition, np.int32),
        originals=[Event(each) for each in headers],
    )
    empty = np.zeros((rows, 0), np.bool_)
    predictions = Predictions(
        rows=np.arange(rows - rejected),
        data=np.empty(0, np.uint8),
        id_starts=np.zeros(rows, np.int64),
        id_ends=np.zeros(rows, np.int64),
        scores=np.zeros(rows, np.float32),
        model="delays",
        arms=(("7", "champion"), ("8", "canary")),
        arm=np.zeros(rows, np.uint8),
        entities=(),
        missing=empty,
        degraded=False,
        origin=records.origin,
        event_time=np.zeros(rows, np.int64),
        scored_at=0,
    )
    letters = [Rejected(row, Reason.TRUNCATED, "") for row in range(rows - rejected, rows)]
    return records, Outcome(predictions, letters, Matrix(np.zeros((rows, 1), np.float32), cast("Any", empty)), ())
