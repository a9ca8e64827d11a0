"""Batches as the loop has them, whose events may carry a trace."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.outcomes import predicted
from scorer.batch import Matrix, Outcome, Reason, Records, Rejected

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
    letters = [Rejected(row, Reason.TRUNCATED, "") for row in range(rows - rejected, rows)]
    predictions = replace(
        predicted(records, np.zeros(rows, np.float32), letters),
        model="delays",
        arms=(("7", "champion"), ("8", "canary")),
    )
    return records, Outcome(predictions, letters, Matrix(np.zeros((rows, 1), np.float32), predictions.missing), ())
