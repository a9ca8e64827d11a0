"""The windows of a group, against plain numpy on the same rows."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.drift import BASELINES, COUNTS, Baseline, Board, Limits, Rules, Slice, Window, make_baseline
from tests.drift import oracle
from tests.drift.streams import COLUMNS, baseline, rows, slice_of

BASE = baseline()
LIMITS = Limits(1, 2, 3, 0.05)
RULES = Rules(1_000, 60, LIMITS)


def board_of(rules: Rules = RULES, base: Baseline = BASE) -> Board:
    board = Board(rules)
    board.heard(BASELINES, base.id, json.loads(base.text()), 0.0)
    return board


def hear(board: Board, found: Slice, seconds: float = 1.0) -> None:
    board.heard(COUNTS, "in/0/1", json.loads(json.dumps(found.document())), seconds)


def feed(board: Board, windows: int, seed: int = 100, start: int = 0, **how: float) -> None:
    for number in range(windows):
        at = start + number
        hear(board, slice_of(BASE, *rows(1_000, seed + at, **how), at * 1_000), float(at))


def ended(board: Board) -> list[int]:
    """Return how many events each window has that has ended."""
    return [each.events for each in board.windows]


def test_a_window_is_exact() -> None:
    parts = [rows(400, seed, shift=0.3) for seed in range(3)]
    board = board_of()
    for number, (values, scores) in enumerate(parts):
        arm = "2/canary" if number == 1 else "1/champion"
        hear(board, slice_of(BASE, values, scores, number * 400, arm=arm), 10.0 + number)
    (window,) = board.windows
    values, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
    base_values, base_scores = rows(20_000, 7)
    assert (window.events, window.began, window.ended, window.reference) == (1_200, 10.0, 12.0, "baseline")
    every = [*BASE.columns, *BASE.scores]
    assert [each.name for each in window.columns] == [*COLUMNS, "score"]
    seen = [*values.T, scores]
    trained = [*base_values.T, base_scores]
    for profile, column, now, before in zip(every, window.columns, seen, trained, strict=True):
        bins = [
            oracle.number_bins(each, profile.edges, profile.least, profile.most)
            if profile.is_number
            else oracle.code_bins(each, profile.codes)
            for each in (np.ascontiguousarray(now), np.ascontiguousarray(before))
        ]
        psi, js, many = oracle.distance(*bins)
        assert column.psi == pytest.approx(psi, rel=1e-12, abs=1e-15)
        assert column.js == pytest.approx(js, rel=1e-9, abs=1e-15)
        alpha = LIMITS.alpha(6, 30 * 86_400)
        assert column.limit == pytest.approx(LIMITS.limit(alpha, many, 1_200, 20_000), rel=1e-12)
    assert window.columns[0].missing == np.isnan(values[:, 0]).mean()
    assert window.columns[2].unknown == oracle.unknown_of(np.ascontiguousarray(values[:, 2])).mean()
    of_canary = oracle.number_bins(parts[1][1], BASE.scores[0].edges, BASE.scores[0].least, BASE.scores[0].most)
    assert window.of_arms["2/canary"].tolist() == of_canary
    assert (window.of_arms["1/champion"] + window.of_arms["2/canary"]).tolist() == window.scores.tolist()
    profile = BASE.scores[0]
    psi, _, _ = oracle.distance(of_canary, profile.bins)
    assert window.arms["2/canary"][0].psi == pytest.approx(psi, rel=1e-12)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 3)), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_every_slice_is_in_one_window(parts: list[tuple[int, int]]) -> None:
    closed: list[Window] = []
    board = Board(RULES, closed.append)
    board.heard(BASELINES, BASE.id, BASE.document(), 0.0)
    ends = [0] * 4
    for many, partition in parts:
        values, scores = rows(many, 1)
        hear(board, slice_of(BASE, values, scores, ends[partition], partition))
        ends[partition] += many
    assert sum(each.events for each in closed) + board.filled == sum(many for many, _ in parts)
    assert all(each.events >= 1_000 and each.scores.sum() == each.events for each in closed)
    assert board.tracks.events == sum(ends)
    assert board.tracks.uncounted == 0


def test_a_window_has_all_partitions_of_the_one_before_unless_one_is_silent() -> None:
    board = board_of()

    def tell(partition: int, seconds: float) -> None:
        track = board.tracks.partitions.get(("in", partition))
        hear(board, slice_of(BASE, *rows(700, 1), track.next if track else 0, partition), seconds)

    tell(0, 0.0)
    tell(1, 0.0)
    assert ended(board) == [1_400]
    tell(0, 1.0)
    tell(0, 1.5)
    assert ended(board) == [1_400], "there are enough events, but not of partition 1"
    tell(1, 1.6)
    assert ended(board) == [1_400, 2_100]
    tell(0, 2.0)
    tell(0, 2.9)
    tell(0, 3.0)
    assert ended(board) == [1_400, 2_100, 2_100], "partition 1 is silent"
    tell(0, 3.1)
    tell(0, 3.2)
    assert ended(board)[3:] == [1_400]


def test_a_window_ends_with_its_time() -> None:
    board = board_of()
    for second in (0, 30, 59):
        hear(board, slice_of(BASE, *rows(10, second), second * 10), float(second))
    assert not board.windows
    hear(board, slice_of(BASE, *rows(10, 60), 600), 60.0)
    assert [each.events for each in board.windows] == [40]


def test_an_alarm_needs_so_many_of_the_last_windows_and_ends() -> None:
    board = board_of()
    feed(board, 5)
    assert not board.alarms
    feed(board, 1, start=5, shift=1.0)
    assert board.windows[-1].columns[0].above
    assert not board.alarms, "one window is not enough"
    feed(board, 1, start=6, shift=1.0)
    (alarm,) = board.alarms
    assert (alarm.column, alarm.since, alarm.window) == ("amount", 6.0, 7)
    assert alarm.psi > 0.5 > alarm.limit
    feed(board, 1, start=7, shift=1.0)
    assert [each.since for each in board.alarms] == [6.0], "it is the same alarm"
    feed(board, 1, start=8)
    assert len(board.alarms) == 1, "two of the last three are above"
    feed(board, 1, start=9)
    assert not board.alarms


def test_a_column_that_goes_silent_and_new_values_are_alarms() -> None:
    board = board_of()
    for at in range(3):
        values, scores = rows(1_000, at)
        values[:, 0] = np.nan
        values[:, 3] = 4.0
        hear(board, slice_of(BASE, values, scores, at * 1_000), float(at))
    assert {each.column for each in board.alarms} == {"amount", "constant"}
    assert board.windows[-1].columns[0].missing == 1.0
    assert board.windows[-1].columns[3].outside == 1.0


def test_slices_of_another_baseline_have_windows_of_their_own() -> None:
    other = make_baseline(COLUMNS, *rows(5_000, 8))
    board = board_of()
    board.heard(BASELINES, other.id, other.document(), 0.0)
    feed(board, 2)
    assert ended(board) == [1_000, 1_000]
    hear(board, slice_of(other, *rows(600, 1), 2_000))
    assert ended(board) == []
    hear(board, slice_of(BASE, *rows(600, 1), 0, partition=1))
    hear(board, slice_of(other, *rows(600, 1), 2_600))
    assert ended(board) == [1_200]
    assert board.tracks.uncounted == 0


def test_slices_without_a_known_baseline_are_counted_but_in_no_window() -> None:
    board = Board(RULES)
    feed(board, 3)
    assert board.tracks.events == 3_000
    assert not board.windows


def test_what_has_another_form_is_passed_over() -> None:
    board, good = board_of(), slice_of(BASE, *rows(1_000, 1)).document()
    wrong: list[object] = [None, 1, [], {}, good | {"form": 2}, good | {"events": -1}, good | {"counts": [1.5]}]
    wrong.append(good | {"events": 2**54})
    wrong += [good | {"next": good["first"]}, good | {"counts": "3:AAAA"}, good | {"counts": "1:A"}]
    for document in wrong:
        board.heard(COUNTS, "in/0/1", document, 1.0)
        board.heard(BASELINES, "x", document, 1.0)
        board.heard("hours", "x/1", document, 1.0)
    assert board.tracks.partitions == {}
    board.heard(COUNTS, "in/0/1", good | {"counts": "1:AAAA"}, 1.0)
    assert not board.windows, "its bins are not those of the baseline"
    board.heard(COUNTS, "in/0/1", good | {"arms": {}}, 1.0)
    assert not board.windows, "it has events, and no score of them"
    board.heard(BASELINES, "another-name", BASE.document(), 1.0)
    assert "another-name" not in board.baselines
    board.heard(COUNTS, "in/0/1", good | {"first": 1_000, "next": 2_000, "later": True}, 1.0)
    assert [each.events for each in board.windows] == [1_000]


def test_a_replay_replaces_what_it_counts_again() -> None:
    board = board_of(Rules(10_000, 60, LIMITS))
    for first in (0, 300, 600):
        hear(board, slice_of(BASE, *rows(300, first), first))
    hear(board, slice_of(BASE, *rows(500, 9), 300))
    assert board.tracks.events == 800
    assert board.filled == 800, "and so does the open window"
    track = board.tracks.partitions["in", 0]
    assert (track.first, track.next, track.uncounted) == (0, 800, 0)


def test_offsets_that_nobody_counted_are_told_and_a_replay_takes_that_back() -> None:
    board = board_of(Rules(10_000, 60, LIMITS))
    hear(board, slice_of(BASE, *rows(100, 1), 0))
    hear(board, slice_of(BASE, *rows(100, 1), 150))
    hear(board, slice_of(BASE, *rows(100, 1), 1_000, partition=1))
    assert board.tracks.uncounted == 50, "where a partition begins, nothing is known of what was before"
    hear(board, slice_of(BASE, *rows(100, 1), 260))
    assert board.tracks.uncounted == 60
    hear(board, slice_of(BASE, *rows(500, 1), 100))
    assert (board.tracks.uncounted, board.tracks.events) == (0, 700)


def test_the_last_windows_are_a_reference_once_there_are_enough() -> None:
    board = board_of(Rules(1_000, 60, LIMITS, "last-windows", 3))
    feed(board, 3, shift=1.0)
    assert [each.reference for each in board.windows] == ["baseline"] * 3
    assert board.alarms
    feed(board, 2, start=3, shift=1.0)
    last = board.windows[-1]
    assert last.reference == "last-windows"
    reference = np.sum([each.counts for each in board.windows[1:4]], axis=0)
    psi, _, _ = oracle.distance(BASE.layout.of(last.counts, 0).tolist(), BASE.layout.of(reference, 0).tolist())
    assert last.columns[0].psi == pytest.approx(psi, rel=1e-12)
    assert not last.columns[0].above
    feed(board, 2, start=5, shift=1.0)
    assert not board.alarms


WEEK = 168 * 3_600


def test_the_hour_of_the_week_is_a_reference_after_two_weeks() -> None:
    board = board_of(Rules(1_000, 60, LIMITS, "hour-of-week"))

    def hour(number: int, seed: int, shift: float) -> None:
        for at in range(12):
            values, scores = rows(1_000, seed + at, shift=shift)
            first = board.tracks.partitions["in", 0].next if board.tracks.partitions else 0
            hear(board, slice_of(BASE, values, scores, first), number * 3_600.0 + at)
        for name, document in list(board.hours.due()):
            board.heard("hours", name, json.loads(json.dumps(document)), 0.0)

    for week in range(3):
        hour(1_000 + week * 168, 10 * week, shift=1.0)
        used = {each.reference for each in list(board.windows)[-12:]}
        hour(1_001 + week * 168, 10 * week + 500, shift=0.0)
        assert used == ({"hour-of-week"} if week == 2 else {"baseline"})
    at_last = list(board.windows)[-24:-12]
    assert not any(each.columns[0].above for each in at_last), "the shift is usual at this hour"
    assert not list(board.hours.due()), "the hour that has not ended is not told"


def test_limits_follow_from_the_windows_a_month() -> None:
    loose = Limits(1, 2, 3, 0.0)
    slow, fast = (board_of(Rules(1_000, 60, loose)) for _ in range(2))
    for board, pace in ((slow, 50.0), (fast, 0.001)):
        for at in range(10):
            hear(board, slice_of(BASE, *rows(1_000, at), at * 1_000), 1_000 + at * pace)
    for board, pace in ((slow, 50.0), (fast, 0.001)):
        alpha = loose.alpha(6, 30 * 86_400 / pace)
        column = board.windows[-1].columns[0]
        assert column.limit == pytest.approx(loose.limit(alpha, 12, 1_000, 20_000), rel=0.01)
    assert slow.windows[-1].columns[0].limit < fast.windows[-1].columns[0].limit


def test_a_reader_that_begins_anew_forgets() -> None:
    board = board_of()
    feed(board, 3)
    board.began()
    assert (board.windows, board.tracks.events, board.baselines) == ((), 0, {})


def test_of_two_baselines_of_the_stream_all_use_the_same() -> None:
    made = [make_baseline(COLUMNS, *rows(1_000, seed), "stream") for seed in (1, 2, 3)]
    other = make_baseline({"only": -1}, rows(100)[0][:, :1], rows(100)[1], "stream")
    found = set()
    for order in itertools.permutations([*made, other]):
        board = Board(RULES)
        for each in order:
            board.heard(BASELINES, each.id, each.document(), 0.0)
        chosen = board.of_stream(COLUMNS, 1)
        assert chosen is not None
        found.add(chosen.id)
        assert board.of_stream({"only": -1}, 1) is not None
        assert board.of_stream(COLUMNS, 3) is None
    assert found == {min(each.id for each in made)}
