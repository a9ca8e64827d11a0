"""The quality of the group's predictions by their labels, as the page and `scorer top` show it."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from scorer.labels.account import Account, total
from scorer.labels.board import Board
from scorer.labels.cells import Key
from scorer.labels.figures import figures
from scorer.labels.task import Task

WINDOWS = 24  # windows that are added up
AGAIN_SECONDS = 5.0  # between two updates
NAMES = {
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "macro_f1": "macro F1",
}
LEADING = {Task.BINARY: "auc", Task.CLASSES: "accuracy", Task.NUMBER: "rmse"}  # shown by window, too


class QualityChapter:
    """Adds up the last windows of quality that `scorer labels run` has published.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._clock = Board(), clock
        self.began()

    def began(self) -> None:
        """Forget all records."""
        self._board.began()
        self._document: dict[str, Any] | None = None
        self._due = 0.0

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record."""
        self._board.heard(kind, name, document, seconds)

    def document(self) -> dict[str, Any] | None:
        """Return the quality of the last windows; None if there are no records."""
        if self._board.changed and self._clock() >= self._due:
            self._due, self._board.changed = self._clock() + AGAIN_SECONDS, False
            self._document = quality(self._board.windows()[-WINDOWS:])
        return self._document


def quality(windows: list[Account]) -> dict[str, Any] | None:
    """Return the quality over some windows, the total of each, in the order of time; None if there are none."""
    whole = total(windows)
    if whole is None:
        return None
    began = datetime.fromtimestamp(windows[0].start / 1000, UTC)
    waiting = sum(not window.closed for window in windows)
    about = f"windows since {began:%Y-%m-%d %H:%M} UTC: {len(windows)}, of which waiting for labels: {waiting}"
    arms = [key for key in whole.cells if not key.field]
    return {"about": about, "metrics": [row for key in arms for row in _rows(whole, key, windows)]}


def _rows(whole: Account, key: Key, windows: list[Account]) -> list[dict[str, Any]]:
    leading, cell = LEADING[whole.measure.task], whole.cells[key]
    return [
        {
            "metric": NAMES.get(name, name.replace("_", " ")),
            "version": key.version,
            "arm": key.arm,
            "value": _known(each.value),
            "low": _known(each.low),
            "high": _known(each.high),
            "count": cell.used,
            "history": _history(windows, key, name) if name == leading else [],
        }
        for name, each in figures(whole.measure, cell).items()
    ]


def _history(windows: list[Account], key: Key, measure: str) -> list[float | None]:
    found = []
    for window in windows:
        estimate = figures(window.measure, window.cells[key]).get(measure) if key in window.cells else None
        found.append(_known(estimate.value) if estimate else None)
    return found


def _known(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None
