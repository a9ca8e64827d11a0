"""Replicas of a group that count, tell and hear, on a log in memory."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from scorer.batch import Outcome, Records
from scorer.drift import BASELINES, COUNTS, Baseline, Limits, Rules
from scorer.group import drifting
from scorer.group.drifting import Drifting, Subject
from scorer.monitor import DriftMetrics
from tests.drift.streams import COLUMNS, baseline, rows
from tests.drift.test_ledger import batch

RULES = Rules(1_000, 1e9, Limits(1, 2, 3, 0.05))
BASE = baseline()


@dataclass
class Shelf:
    """The log, with compaction."""

    told: list[tuple[str, bytes]] = field(default_factory=list)

    def tell(self, one: Drifting, now: float, *, last: bool = False) -> None:
        for name, document in one.last() if last else one.due(now):
            self.told.append((name, json.dumps(document).encode()))

    def hear(self, one: Drifting, start: int = 0) -> int:
        for at, (name, value) in enumerate(self.told[start:], start):
            kind, _, rest = name.partition("/")
            one.heard(kind, rest, json.loads(value), 1_000_000.0 + at)
        return len(self.told)

    def names(self, kind: str) -> list[str]:
        return [name for name, _ in self.told if name.startswith(f"{kind}/")]


class Replica:
    """One of the group, with a partition of its own."""

    def __init__(self, shelf: Shelf, partition: int, base: Baseline | None = BASE, position: int = 0) -> None:
        self.shelf, self.partition, self.position, self.heard, self.now = shelf, partition, position, 0, 0.0
        self.registry = CollectorRegistry()
        self.one = Drifting(RULES, DriftMetrics(self.registry), clock=lambda: 1_000_000 + self.now)
        self.one._subject = Subject(COLUMNS, 1, base)
        self.one.ledger.use(base)
        self.one._gathered.start(wanted=base is None)
        self.one.began()
        self.turn()

    def turn(self, seconds: float = 1.0) -> None:
        """Tell, and hear."""
        self.now += seconds
        self.shelf.tell(self.one, self.now)
        self.heard = self.shelf.hear(self.one, self.heard)
        self.shelf.tell(self.one, self.now)

    def score(self, many: int, seed: int, *, shift: float = 0.0, commit: bool = True) -> None:
        records, outcome = self.batch(many, seed, shift)
        self.one.written(records, outcome, ())
        self.one.iteration_ended(records)
        self.position += many
        if commit:
            self.one.confirmed({("in", self.partition): self.position})

    def batch(self, many: int, seed: int, shift: float) -> tuple[Records, Outcome]:
        places = [("in", self.partition)] * many
        records, outcome = batch(places, range(self.position, self.position + many), seed)
        values, scores = rows(many, seed, shift=shift)
        outcome.matrix.values[:] = values
        np.copyto(outcome.predictions.scores, scores)
        return records, outcome

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def test_all_replicas_see_the_same_windows_of_the_group() -> None:
    shelf = Shelf()
    group = [Replica(shelf, 0), Replica(shelf, 1)]
    for at in range(8):
        for number, each in enumerate(group):
            each.score(300, 2 * at + number)
            each.turn()
    for each in group:
        each.turn()
    assert len(shelf.names(BASELINES)) <= 2
    one, two = (each.one.board for each in group)
    assert one.tracks.events == 16 * 300
    assert [each.events for each in one.windows] == [1_200] * 4
    assert [each.columns for each in one.windows] == [each.columns for each in two.windows]
    assert not one.alarms
    assert group[0].metric("scorer_drift_windows") == 4
    assert group[0].metric("scorer_drift_psi", column="amount") == one.windows[-1].columns[0].psi
    assert group[0].metric("scorer_missing_ratio", column="absent") == 1.0
    assert group[1].metric("scorer_drift_alarm", column="amount") == 0.0
    median = group[0].metric("scorer_score_quantile", arm="champion", quantile="0.5")
    assert median == pytest.approx(np.median(rows(100_000)[1]), abs=0.03)


def test_a_column_that_drifts_is_said_once_and_once_that_it_no_longer_does() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    with capture_logs() as logs:
        for at in range(12):
            one.score(1_000, at, shift=1.0 if 3 <= at < 8 else 0.0)
            one.turn()
            if at == 6:
                assert one.metric("scorer_drift_alarm", column="amount") == 1.0
    found = [each for each in logs if "drift" in each["event"]]
    assert [(each["event"], each["column"]) for each in found] == [
        ("column drifts", "amount"),
        ("column no longer drifts", "amount"),
    ]
    assert found[0]["psi"] > found[0]["limit"]


def test_a_replica_that_starts_says_what_drifts_now_and_nothing_of_the_past() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    for at in range(6):
        one.score(1_000, at, shift=1.0 if at < 3 else 0.0)
        one.turn()
    with capture_logs() as logs:
        late = Drifting(RULES, DriftMetrics(CollectorRegistry()))
        shelf.hear(late)
        assert list(late.due(1.0)) == []
    assert logs == []
    assert late.board.windows[-1].columns == one.one.board.windows[-1].columns


def test_what_was_scored_before_the_champion_changed_is_in_no_column() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    one.one._subject = Subject(COLUMNS, 1, BASE, "2")
    one.score(600, 1)
    one.one._subject = Subject(COLUMNS, 1, BASE, "1")
    one.score(500, 2)
    one.turn()
    one.turn()
    (window,) = one.one.board.windows
    layout = BASE.layout
    assert window.events == 1_100
    assert [int(layout.of(window.counts, at).sum()) for at in range(len(COLUMNS))] == [500] * len(COLUMNS)
    assert window.scores.sum() == 1_100


def test_names_are_used_again_and_slices_of_one_moment_differ_in_theirs() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    for seed in range(3):
        one.score(10, seed)
        one.now += 1e6
        one.turn()
    assert len(set(shelf.names(COUNTS))) == 3
    one.score(10, 1)
    one.one.ledger.use(baseline(1_000, 9))
    one.score(10, 1)
    one.turn()
    assert len(set(shelf.names(COUNTS))) == 5
    slots = {int(name.rpartition("/")[2].partition(".")[0]) for name in shelf.names(COUNTS)}
    assert max(slots) < 12 * 1e9 / drifting.SOON_SECONDS


def test_slices_are_told_every_second_or_as_soon_as_there_are_enough_events() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    one.score(10, 1)
    one.turn(1.0)
    assert len(shelf.names(COUNTS)) == 1
    one.score(10, 1)
    one.turn(0.5)
    assert len(shelf.names(COUNTS)) == 1
    one.score(1_000, 1)
    one.turn(0.1)
    assert len(shelf.names(COUNTS)) == 2
    one.score(1_000, 1)
    one.turn(0.3)
    assert len(shelf.names(COUNTS)) == 2, "at most two a second"
    one.turn(0.3)
    assert len(shelf.names(COUNTS)) == 3


def test_what_is_committed_is_told_at_last() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    one.score(10, 1)
    one.score(10, 2, commit=False)
    one.one.forget("in", 0)
    one.score(10, 3)
    shelf.tell(one.one, 0.0, last=True)
    assert shelf.names(COUNTS) == [], "the slice has more than was committed"
    other = Replica(shelf, 1)
    other.score(10, 1)
    shelf.tell(other.one, 0.0, last=True)
    assert len(shelf.names(COUNTS)) == 1


def test_a_replica_that_was_killed_leaves_a_gap_that_is_told() -> None:
    shelf = Shelf()
    gone = Replica(shelf, 0)
    gone.score(500, 1)
    gone.turn()
    gone.score(40, 2)  # committed, and not told
    gone.score(7, 3, commit=False)
    after = Replica(shelf, 0, position=540)
    after.score(600, 4)
    after.turn()
    after.turn()
    tracks = after.one.board.tracks
    assert (tracks.events, tracks.uncounted) == (1_100, 40)
    assert tracks.events + tracks.uncounted == 1_140
    assert after.metric("scorer_drift_uncounted_offsets") == 40


def test_without_a_baseline_the_first_events_become_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "FIRST_EVENTS", 1_500)
    shelf = Shelf()
    with capture_logs() as logs:
        group = [Replica(shelf, number, base=None) for number in range(2)]
        for at in range(8):
            for number, each in enumerate(group):
                each.score(500, 2 * at + number)
                each.turn()
        for each in group:
            each.turn()
    used = {each.one.board.current for each in group}
    assert len(used) == 1
    (found,) = {each.one.board.baselines[next(iter(used))] for each in group}
    assert (found.source, found.rows) == ("stream", 1_500)
    assert group[0].one.board.tracks.events == 8_000, "events before the baseline are counted, too"
    assert group[0].one.board.windows
    assert [each["event"] for each in logs if "baseline" in each["event"]] == [
        "the model has no baseline: drift is measured from the first events"
    ] * 2
    late = Replica(shelf, 2, base=None)
    late.turn()
    late.score(10, 1)
    late.turn()
    assert late.one.board.current == next(iter(used))
    assert len(set(shelf.names(BASELINES))) <= 2


def test_a_baseline_is_told_again_before_it_is_forgotten() -> None:
    shelf = Shelf()
    one = Replica(shelf, 0)
    one.one.heard(BASELINES, BASE.id, BASE.document(), 1_000_000.0)
    before = len(shelf.names(BASELINES))
    one.turn(3_600.0)
    assert len(shelf.names(BASELINES)) == before
    one.turn(drifting.AGAIN_SECONDS)
    assert len(shelf.names(BASELINES)) == before + 1
