"""What a replica tells of the partitions that it has, had and has lost: every committed event once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.outcomes import predicted
from scorer.batch import Matrix, Outcome, Reason, Records, Rejected
from scorer.drift import Ledger, Slice
from scorer.drift.baseline import counted
from tests.drift.streams import baseline, rows

BASE = baseline(2_000)
ARMS = (("1", "champion"), ("2", "canary"))


def batch(  # noqa: PLR0913, PLR0917  each is a part of a batch
    places: Sequence[tuple[str, int]],
    offsets: Sequence[int],
    seed: int = 0,
    generation: int = 1,
    rejected: Sequence[int] = (),
    arms: tuple[tuple[str, str], ...] = ARMS[:1],
) -> tuple[Records, Outcome]:
    topics = tuple(dict.fromkeys(topic for topic, _ in places))
    values, scores = rows(len(places), seed)
    records = replace(
        Records.numbered(len(places)),
        topics=topics,
        topic=np.array([topics.index(topic) for topic, _ in places], np.int32),
        partition=np.array([partition for _, partition in places], np.int32),
        offset=np.array(offsets, np.int64),
        generation=generation,
    )
    letters = [Rejected(row, Reason.BAD_VALUE, "") for row in rejected]
    arm = (np.arange(len(places)) % len(arms)).astype(np.uint8)
    predictions = replace(predicted(records, scores, letters), arms=arms, arm=arm)
    return records, Outcome(predictions, letters, Matrix(values, predictions.missing), ())


def one(partition: int, first: int, many: int, **how: object) -> tuple[Records, Outcome]:
    return batch([("in", partition)] * many, range(first, first + many), **how)  # type: ignore[arg-type]


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.use(BASE)
    return made


def take(ledger: Ledger) -> list[Slice]:
    ledger.seal()
    return ledger.take()


def ranges(found: Sequence[Slice]) -> list[tuple[int, int, int]]:
    return [(each.partition, each.first, each.next) for each in found]


def test_a_slice_has_exactly_the_rows_of_its_partition(ledger: Ledger) -> None:
    places = [("in", 0), ("in", 3), ("other", 0), ("in", 0), ("other", 0), ("in", 3)] * 50
    offsets = [10 * (row // 6) + row % 6 for row in range(300)]
    records, outcome = batch(places, offsets, 5, rejected=[0, 7], arms=ARMS)
    ledger.written(records, outcome)
    ledger.confirmed({("in", 0): 1_000, ("in", 3): 1_000, ("other", 0): 1_000})
    found = {(each.topic, each.partition): each for each in take(ledger)}
    assert set(found) == set(places)
    for place, each in found.items():
        mine = np.array([row for row, other in enumerate(places) if other == place and row not in {0, 7}])
        at = [offset for offset, other in zip(offsets, places, strict=True) if other == place]
        assert each.counts.tolist() == counted(BASE.layout, outcome.matrix.values[mine]).tolist()
        for number, (version, name) in enumerate(ARMS):
            of_arm = mine[outcome.predictions.arm[mine] == number]
            expected = counted(BASE.score_layout, outcome.predictions.scores[of_arm].reshape(-1, 1)).tolist()
            told = each.arms.get(f"{version}/{name}")
            assert (told.tolist() if told is not None else [0] * len(expected)) == expected
        assert (each.first, each.next) == (min(at), max(at) + 1)
        assert (each.events, each.rejected) == (len(mine), len(at) - len(mine))
    assert take(ledger) == [], "each is told once"


def test_nothing_is_told_before_it_is_committed(ledger: Ledger) -> None:
    ledger.written(*one(0, 0, 10))
    assert take(ledger) == []
    ledger.written(*one(0, 10, 10))
    ledger.confirmed({("in", 0): 9})
    assert take(ledger) == []
    ledger.confirmed({("in", 0): 10})
    assert ranges(take(ledger)) == [(0, 0, 10)]
    ledger.confirmed({("in", 0): 20})
    assert ranges(take(ledger)) == [(0, 10, 20)]


def test_slices_of_one_replica_leave_no_gap(ledger: Ledger) -> None:
    for first in (0, 15, 40):  # markers of transactions are between them
        ledger.written(*one(0, first, 10))
        ledger.confirmed({("in", 0): first + 11})
        assert len(take(ledger)) == 1
    ledger.written(*one(0, 60, 10))
    ledger.confirmed({("in", 0): 70})
    assert ranges(take(ledger)) == [(0, 50, 70)]


def test_of_a_partition_that_leaves_only_what_is_committed_is_told(ledger: Ledger) -> None:
    ledger.written(*one(0, 0, 10))
    ledger.written(*one(1, 0, 10))
    ledger.seal()
    ledger.written(*one(0, 10, 10))
    ledger.written(*one(1, 10, 10))
    ledger.confirmed({("in", 0): 20, ("in", 1): 10})
    ledger.forget(("in", 0))
    ledger.forget(("in", 1))
    ledger.forget(("in", 2))
    assert ranges(take(ledger)) == [(0, 0, 10), (0, 10, 20), (1, 0, 10)]
    assert take(ledger) == []


def test_a_batch_of_the_time_before_a_partition_left_counts_no_more(ledger: Ledger) -> None:
    ledger.written(*one(0, 0, 10, generation=3))
    ledger.published(4)  # in flight
    ledger.forget(("in", 0))
    ledger.written(*one(0, 10, 10, generation=4))
    ledger.confirmed({("in", 0): 500})
    assert take(ledger) == []
    ledger.written(*one(0, 10, 5, generation=6))
    ledger.confirmed({("in", 0): 15})
    assert ranges(take(ledger)) == [(0, 10, 15)], "it has come back"


def test_a_member_that_joins_anew_keeps_what_was_committed(ledger: Ledger) -> None:
    ledger.written(*one(0, 0, 10, generation=9))
    ledger.published(9)
    ledger.confirmed({("in", 0): 10})
    ledger.forget(("in", 0))
    ledger.clear()
    ledger.written(*one(0, 10, 10, generation=1))
    ledger.confirmed({("in", 0): 20})
    assert ranges(take(ledger)) == [(0, 0, 10), (0, 10, 20)]


def test_other_arms_and_other_baselines_begin_other_slices(ledger: Ledger) -> None:
    other = baseline(1_000, 8)
    ledger.written(*one(0, 0, 10))
    ledger.written(*one(0, 10, 10, arms=ARMS))
    ledger.use(other)
    ledger.written(*one(0, 20, 10, arms=ARMS))
    ledger.use(None)
    ledger.written(*one(0, 30, 10, arms=ARMS))
    ledger.confirmed({("in", 0): 40})
    found = take(ledger)
    assert ranges(found) == [(0, 0, 10), (0, 10, 20), (0, 20, 30), (0, 30, 40)]
    assert [each.baseline for each in found] == [BASE.id, BASE.id, other.id, ""]
    assert [list(each.arms) for each in found] == [["1/champion"], *[["1/champion", "2/canary"]] * 2, []]
    assert [each.events for each in found] == [10] * 4


def test_rows_of_arms_with_other_columns_are_in_the_scores_alone(ledger: Ledger) -> None:
    records, outcome = one(0, 0, 10, arms=ARMS)
    foreign = outcome.predictions.arm == 1
    values = outcome.matrix.values.copy()
    values[foreign] = np.nan
    outcome = replace(outcome, matrix=replace(outcome.matrix, values=values, foreign=foreign))
    ledger.written(records, outcome)
    ledger.confirmed({("in", 0): 10})
    (found,) = take(ledger)
    assert (found.events, found.foreign) == (10, 5)
    assert found.counts.tolist() == counted(BASE.layout, values[~foreign]).tolist()
    assert [int(each.sum()) for each in found.arms.values()] == [5, 5]


@given(st.lists(st.sampled_from(["write", "write", "commit", "tell", "leave", "join"]), max_size=60))
@settings(max_examples=100, deadline=None)
def test_committed_events_are_told_once_and_others_never(steps: list[str]) -> None:
    """A partition that leaves is scored on from its committed offset, by others or again by this replica."""
    ledger, told = Ledger(), list[Slice]()
    ledger.use(BASE)
    position = committed = 0
    generation = 1
    for step in steps:
        if step == "write":
            ledger.written(*one(0, position, 7, generation=generation))
            ledger.published(generation)
            position += 7
        elif step == "commit":
            committed = position
            ledger.confirmed({("in", 0): committed})
        elif step == "tell":
            told += take(ledger)
        else:
            ledger.forget(("in", 0))
            position, generation = committed, generation + 2
    ledger.forget(("in", 0))
    told += take(ledger)
    ends = 0
    for each in told:
        assert each.first >= ends
        assert each.events + each.rejected == each.next - each.first
        ends = each.next
    assert ends <= committed
