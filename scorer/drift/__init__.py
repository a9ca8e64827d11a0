"""Drift: how far the columns and the scores of the stream are from those in training."""

from scorer.drift.baseline import (
    LEAST_ROWS,
    Baseline,
    baseline_problems,
    make_baseline,
    parse_baseline,
    read_baseline,
)
from scorer.drift.bins import NUMBER
from scorer.drift.board import Alarm, Board, Column, Rules, Window
from scorer.drift.ledger import Ledger
from scorer.drift.limits import Limits
from scorer.drift.report import QUANTILES, moved, report
from scorer.drift.slices import BASELINES, COUNTS, HOURS, Slice

__all__ = [
    "BASELINES",
    "COUNTS",
    "HOURS",
    "LEAST_ROWS",
    "NUMBER",
    "QUANTILES",
    "Alarm",
    "Baseline",
    "Board",
    "Column",
    "Ledger",
    "Limits",
    "Rules",
    "Slice",
    "Window",
    "baseline_problems",
    "make_baseline",
    "moved",
    "parse_baseline",
    "read_baseline",
    "report",
]
