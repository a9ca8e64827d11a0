"""The state of a board as one document, for people and programs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.drift.baseline import Baseline, Layout, Profile
from scorer.drift.board import Board, Column, Window
from scorer.drift.compare import quantiles

QUANTILES = ("0.1", "0.5", "0.9")
HISTORY = 30  # windows of which PSI is shown
_LEVELS = np.array([float(each) for each in QUANTILES])

Document = dict[str, Any]
Counts = NDArray[np.int64]


def report(board: Board) -> Document:
    """Return the last window of the current baseline: every column against its reference, the worst first."""
    baseline, windows = board.baseline, board.windows
    tracks = board.tracks
    totals = {"events": tracks.events, "rejected": tracks.rejected, "uncounted": tracks.uncounted}
    document: Document = {"counted": totals, "filled": board.filled, "baseline": None, "window": None, "columns": []}
    if baseline is None:
        return document
    document["baseline"] = {"id": baseline.id, "rows": baseline.rows, "source": baseline.source}
    if not windows:
        return document
    window = windows[-1]
    since = {each.column: each.since for each in board.alarms}
    every = [*_columns(baseline.layout, window.counts), *_columns(baseline.score_layout, window.scores)]
    columns = [
        _column(column)
        | found
        | {"since": since.get(column.name), "history": [each.columns[at].psi for each in windows[-HISTORY:]]}
        for at, (column, found) in enumerate(zip(window.columns, every, strict=True))
    ]
    columns.sort(key=lambda each: -each["psi"] / (each["limit"] or np.inf))
    document["window"] = {
        "number": window.number,
        "began": window.began,
        "ended": window.ended,
        "events": window.events,
        "reference": window.reference,
    }
    return document | {"columns": columns, "arms": _arms(baseline, window)}


def moved(profile: Profile, counts: Counts) -> list[float] | None:
    """Return quantiles of a column of numbers from its counts [bins]; None for categories, and without numbers."""
    inner = counts[:-1]
    if not profile.is_number or np.isnan(profile.least) or not inner.sum():
        return None
    edges = np.array([profile.least, profile.least, *profile.edges, profile.most, profile.most])
    return [float(each) for each in quantiles(edges, inner, _LEVELS)]


def _columns(layout: Layout, counts: Counts) -> list[Document]:
    return [
        {
            "quantiles": moved(profile, layout.of(counts, at)),
            "baseline": {
                "quantiles": moved(profile, layout.of(layout.counts, at)),
                "missing": profile.missing / max(1, sum(profile.bins)),
                "unknown": profile.unknown / max(1, sum(profile.bins)),
            },
        }
        for at, profile in enumerate(layout.profiles)
    ]


def _column(column: Column) -> Document:
    return {
        "name": column.name,
        "psi": column.psi,
        "limit": column.limit if np.isfinite(column.limit) else None,  # a column of one bin cannot differ
        "above": column.above,
        "js": column.js,
        "missing": column.missing,
        "unknown": column.unknown,
        "outside": column.outside,
    }


def _arms(baseline: Baseline, window: Window) -> list[Document]:
    layout = baseline.score_layout
    return [
        {"arm": name, "events": int(layout.of(window.of_arms[name], 0).sum())}
        | {"scores": [_column(each) | found for each, found in zip(columns, _columns(layout, counts), strict=True)]}
        for name, columns in window.arms.items()
        for counts in [window.of_arms[name]]
    ]
