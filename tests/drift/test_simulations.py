"""How soon a shift is told, and how often nothing is: on simulated streams, a part of what `make bench` runs."""

import json
from dataclasses import replace

import numpy as np

from benchmarks.drift import LIMITS, MONTH, STREAM_COLUMNS, STREAM_RATE, WINDOW, begun, delays, false_alarms, shifted
from scorer.drift import BASELINES, COUNTS, NUMBER, Board, Limits, Rules, Slice, make_baseline
from scorer.drift.baseline import counted


def test_a_shift_of_a_psi_of_02_is_told_within_4_000_events_in_each_of_1_000_streams() -> None:
    share = shifted(0.2)
    assert abs(float(((share - 0.1) * np.log(share / 0.1)).sum()) - 0.2) < 1e-9
    assert delays(1_000, 0.2).max() <= 4_000


def test_the_board_tells_it_as_soon() -> None:
    draw = np.random.default_rng(11)
    trained = draw.normal(size=(50_000, 3)).astype(np.float32)
    base = make_baseline(dict.fromkeys(("a", "b", "c"), NUMBER), trained, trained[:, 0])
    rules = Rules(WINDOW, 1e9, LIMITS)
    for run in range(20):
        board, shift = Board(rules), int(draw.integers(0, WINDOW))
        board.heard(BASELINES, base.id, json.loads(base.text()), 0.0)
        values = draw.normal(size=(10_000, 3)).astype(np.float32)
        values[2_000 + shift :, 1] += 0.46  # standard deviations: a PSI of 0.2
        for start in range(0, 10_000, 250):
            part = values[start : start + 250]
            counts, scores = counted(base.layout, part), counted(base.score_layout, part[:, :1])
            found = Slice("in", 0, start, start + 250, 250, 0, base.id, counts, {"1/champion": scores})
            board.heard(COUNTS, "in/0/1", found.document(), float(start))
            if board.alarms:
                break
        assert [each.column for each in board.alarms] == ["b"], run
        assert start + 250 - (2_000 + shift) <= 4_000, run


def test_without_drift_there_is_no_alarm_by_default() -> None:
    assert false_alarms(5_000) == (0, 0)


def test_alarms_without_drift_are_about_as_many_as_are_accepted() -> None:
    """With confirmation and without, for an acceptance so high that there are some in a short stream."""
    windows = 5_000
    months = windows * WINDOW / STREAM_RATE / MONTH
    for confirmed in (Limits(50_000.0, 1, 1, 0.0), Limits(50_000.0, 2, 3, 0.0)):
        alarms, _ = false_alarms(windows, confirmed, baselines=10)
        expected = confirmed.false_alarms * months
        assert 0.2 * expected < alarms < 1.3 * expected, (confirmed, alarms, expected)
    lenient, strict = (replace(LIMITS, false_alarms=each, at_least=0.0) for each in (1e6, 1e3))
    assert false_alarms(1_000, lenient)[1] > false_alarms(1_000, strict)[1]
    assert STREAM_COLUMNS == 31


def test_alarms_begin_once() -> None:
    limits = Limits(1, 2, 3, 0.0)
    assert begun(np.array([0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1], bool), limits) == 2
    assert begun(np.zeros(10, bool), limits) == 0
