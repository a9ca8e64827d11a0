"""The drift of the group's columns, as the page and `scorer top` show it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.drift import Board, Rules, Window
from scorer.drift.baseline import Layout, Profile

WINDOWS = 60  # windows that are shown
MOST_BINS = 24  # bins of a histogram
REFERENCES = {
    "baseline": "the baseline",
    "hour-of-week": "the same hour of earlier weeks",
    "last-windows": "the windows before",
}


class DriftChapter:
    """Makes a heat map of columns over windows, and a histogram of each column, from the counts of all replicas.

    Args:
        rules: how windows are made and judged.
    """

    def __init__(self, rules: Rules) -> None:
        self._board = Board(rules)
        self.began()

    def began(self) -> None:
        """Forget all records."""
        self._board.began()
        self._made: tuple[str, int] = ("", 0)  # the baseline and the last window of the document
        self._document: dict[str, Any] | None = None

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record."""
        self._board.heard(kind, name, document, seconds)

    def document(self) -> dict[str, Any] | None:
        """Return the drift of the last windows; None before the first one has ended."""
        windows = self._board.windows
        if not windows:
            self._document = None
        elif self._made != (self._board.current, windows[-1].number):
            self._made = self._board.current, windows[-1].number
            self._document = self._drift(windows[-WINDOWS:])
        return self._document

    def _drift(self, windows: tuple[Window, ...]) -> dict[str, Any]:
        newest, alarms = windows[-1], {each.column: each for each in self._board.alarms}
        baseline = self._board.baseline
        assert baseline is not None  # noqa: S101  windows are those of a baseline
        return {
            "baseline": baseline.id,
            "source": baseline.source,
            "reference": REFERENCES.get(newest.reference, newest.reference),
            "uncounted": self._board.tracks.uncounted,
            "columns": [
                {
                    "name": each.name,
                    "limit": round(each.limit, 5) if np.isfinite(each.limit) else None,
                    "alarm": each.name in alarms,
                    "since": alarms[each.name].since if each.name in alarms else None,
                    "missing": round(each.missing, 4),
                    "unknown": round(each.unknown, 4),
                    "outside": round(each.outside, 4),
                }
                for each in newest.columns
            ],
            "windows": [_window(each) for each in windows if len(each.columns) == len(newest.columns)],
            "histograms": {
                **histograms(baseline.layout, newest.counts),
                **histograms(baseline.score_layout, newest.scores),
            },
        }


def _window(window: Window) -> dict[str, Any]:
    return {
        "number": window.number,
        "at": round(window.ended, 1),
        "events": window.events,
        "psi": [round(each.psi, 4) for each in window.columns],
    }


def histograms(layout: Layout, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return the shares of each column's bins, in the baseline and now.

    Args:
        layout: the columns, with the counts of the baseline.
        counts: int64 [bins], those of a window.
    """
    found = {}
    for at, profile in enumerate(layout.profiles):
        before, now = (layout.of(each, at) for each in (layout.counts, counts))
        shares = (np.round(each / max(1, each.sum()), 4) for each in (before, now))
        found[profile.name] = histogram(labels(profile), *(each.tolist() for each in shares))
    return found


def histogram(bins: list[str], reference: list[float], now: list[float]) -> dict[str, Any]:
    """Return a histogram; if it has too many bins, those that are rare on both sides are merged."""
    order = sorted(range(len(bins)), key=lambda at: -max(reference[at], now[at]))
    shown, rest = sorted(order[:MOST_BINS]), order[MOST_BINS:]
    found: dict[str, Any] = {"bins": [bins[at] for at in shown]}
    found |= {name: [of[at] for at in shown] for name, of in (("reference", reference), ("now", now))}
    if rest:
        found["bins"].append("others")
        for name, of in (("reference", reference), ("now", now)):
            found[name].append(round(sum(of[at] for at in rest), 4))
    return found


def labels(profile: Profile) -> list[str]:
    """Return a short label for each bin of a column: its upper bound, or its category."""
    if not profile.is_number:
        return [*map(str, range(len(profile.counts))), "missing", "unknown"]
    uppers = ("any" if np.isnan(each) else f"{each:.3g}" for each in (*profile.edges, profile.most))
    return ["below", *uppers, "above", "missing"]
