"""The sums of a group: each event counts once, in one window, and all readers agree."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Reason, Rejected
from scorer.rollout import Board, Canary, Guards, Held, Log, State, Tally, Window, withdrawal
from scorer.rollout.sums import ArmSums, read_sums
from scorer.rollout.tally import QUICK_SECONDS, edges_of, one_number
from tests.rollout.group import CANARY, CHAMPION, MODEL, written

GUARDS = Guards(window=Window(events=1_000, seconds=60))
STATE = State(champion=CHAMPION, canaries=(Canary(version=CANARY, percent=50.0, salt="2"),), guards=GUARDS)


def held(state: State = STATE) -> Held:
    log = Log(MODEL)
    log.read(log.record(Held().next("canary", state, State(champion=CHAMPION), by="a@b")))
    return log.held


HELD = held()
ARM = b'{"events": 1, "alone": 1, "keys": [], "failed": 0, "calls": 0, "slow": 0, "seconds": 0, "bins": [1]}'
WITH_TOO_FEW_BINS = (
    b'{"model": "m", "sums": {"replica": "a", "change": "", "window": 0, "number": 1, "edges": [1, 2], '
    b'"arms": {"1": %b}}}' % ARM
)


SUMS = (
    b'{"model": "m", "sums": {"replica": "a", "change": "", "window": 0, "number": 1, "edges": [], '
    b'"arms": {"1": {"events": 1, "alone": 1, "keys": [], "failed": 0, "calls": 0, "slow": 0, "seconds": 0, '
    b'"bins": [1], "%b": %b}}}}'
)


class Counted(Board):
    """Adds up what each window had when it ended."""

    def changed(self, held: Held) -> None:
        self.total: Counter[str] = Counter()
        super().changed(held)

    def _open(self, window: int) -> None:
        self.total.update({version: arm.events for version, arm in self.arms().items()})
        super()._open(window)

    @property
    def events(self) -> Counter[str]:
        return self.total + Counter({version: arm.events for version, arm in self.arms().items()})


def batch(rows: int, canary: int = 0, score: float = 0.5, **more: object) -> tuple[object, ...]:
    arm = np.array([1] * canary + [0] * (rows - canary), np.uint8)
    scores = np.full(rows, score, np.float32)
    return (*written(scores, arm, seconds=[0.0, 0.0], **more), [])  # type: ignore[arg-type]


def board_of(*tallies: Tally, state: Held = HELD) -> Counted:
    for tally in tallies:
        tally.switch(on=True)
    board = Counted(MODEL)
    board.changed(state)
    return board


def told(tally: Tally, board: Board) -> bytes:
    sums = tally.sums(board, GUARDS)
    assert sums is not None
    return sums.record(MODEL)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["score", "tell", "read"]), st.integers(1, 400)), max_size=60
)


@given(STEPS)
def test_each_event_counts_once_though_replicas_tell_and_read_at_any_time(steps: list[tuple[int, str, int]]) -> None:
    tallies = [Tally(f"r{number}") for number in range(3)]
    boards = [board_of(tally) for tally in tallies]
    log: list[bytes] = []
    read, scored = [0, 0, 0], Counter[str]()

    def look(who: int) -> None:
        for value in log[read[who] :]:
            boards[who].heard(value, 0.0)
        read[who] = len(log)

    def tell(who: int) -> None:
        sums = tallies[who].sums(boards[who], GUARDS)
        log.extend([sums.record(MODEL)] if sums else [])

    for who, step, rows in steps:
        if step == "score":
            tallies[who].written(*batch(rows, rows // 3))  # type: ignore[arg-type]
            scored.update({CHAMPION: rows - rows // 3, CANARY: rows // 3})
        elif step == "tell":
            tell(who)
        else:
            look(who)
    for who in (0, 1, 2, 0, 1, 2, 0, 1, 2):  # what came after the end of a window is told in the next
        look(who)
        tell(who)
        look(who)
    look(0)
    assert boards[0].events == +scored
    for who in (1, 2):
        look(who)
        assert (boards[who].window, boards[who].events) == (boards[0].window, boards[0].events)


def test_a_window_ends_with_the_record_that_makes_it_full_or_old() -> None:
    tally = Tally("a")
    board = board_of(tally)
    for rows, seconds, window in ((999, 0, 0), (1, 1, 1), (10, 100, 1), (10, 159, 1), (10, 160, 2), (10, 161, 2)):
        tally.written(*batch(rows))  # type: ignore[arg-type]
        board.heard(told(tally, board), seconds)
        assert board.window == window
    assert board.arms()[CHAMPION].events == 10


def test_what_is_told_too_late_for_a_window_counts_in_the_next() -> None:
    first, second = Tally("a"), Tally("b")
    board, unread = board_of(first, second), board_of()
    first.written(*batch(1_000))  # type: ignore[arg-type]
    second.written(*batch(70))  # type: ignore[arg-type]
    records = [told(first, board), told(second, unread)]
    for value in records:
        board.heard(value, 0)
    assert board.window == 1
    assert board.arms() == {}, "the second told of the window before"
    second.written(*batch(30))  # type: ignore[arg-type]
    board.heard(told(second, board), 0)
    assert board.arms()[CHAMPION].events == 100


def test_nothing_is_told_twice_and_nothing_without_events() -> None:
    tally = Tally("a")
    board = board_of(tally)
    assert tally.sums(board, GUARDS) is None
    tally.written(*batch(50))  # type: ignore[arg-type]
    board.heard(told(tally, board), 0)
    assert tally.sums(board, GUARDS) is None


def test_the_first_bins_count_for_all() -> None:
    first, second = Tally("a"), Tally("b")
    board, other = board_of(first, second), board_of()
    first.written(*batch(300, score=0.25))  # type: ignore[arg-type]
    second.written(*batch(200, score=0.75))  # type: ignore[arg-type]
    records = [told(first, board), told(second, other)]
    for value in records:
        board.heard(value, 0)
        other.heard(value, 0)
    assert board.edges == other.edges == edges_of(np.full(300, 0.25))
    assert board.arms()[CHAMPION].events == 500
    assert board.arms()[CHAMPION].bins == (0, 300, 0), "the bins of the second are others"
    board.heard(told(second, other), 0)
    assert board.arms()[CHAMPION].bins == (0, 300, 200), "it counts anew in those of the group"
    second.written(*batch(10, score=0.1))  # type: ignore[arg-type]
    board.heard(told(second, other), 0)
    assert board.arms()[CHAMPION].bins == (10, 300, 200)


def test_another_state_begins_anew_and_batches_of_the_one_before_do_not_count() -> None:
    tally = Tally("a")
    board = board_of(tally)
    tally.written(*batch(500))  # type: ignore[arg-type]
    late = told(tally, board)
    board.changed(held(STATE.model_copy(update={"canaries": (Canary(version="3", percent=1.0, salt="3"),)})))
    board.heard(late, 0)
    assert board.arms() == {}
    tally.written(*batch(500))  # type: ignore[arg-type]
    assert tally.sums(board, GUARDS) is None, "version 2 scored, and is no canary now"


def test_a_reader_who_missed_the_end_of_a_window_takes_up_the_next() -> None:
    tally = Tally("a")
    board, late = board_of(tally), board_of()
    for rows in (1_000, 10):
        tally.written(*batch(rows))  # type: ignore[arg-type]
        value = told(tally, board)
        board.heard(value, 0)
    late.heard(value, 0)
    assert late.window == board.window == 1
    late.heard(value, 0)
    assert late.arms()[CHAMPION].events == 10


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b'{"model": "m"}',
        b'{"model": "m", "sums": {}}',
        b'{"model": "m", "sums": {"replica": "a", "change": "", "window": -1, "number": 1, "edges": [], "arms": {}}}',
        WITH_TOO_FEW_BINS,
        *(SUMS % (name, number) for name in (b"events", b"calls") for number in (b"9" * 400, b"-1", b"1e400")),
        SUMS % (b"failed", b"2"),
        SUMS % (b"slow", b"1"),
        SUMS % (b"seconds", b"1e300"),
    ],
)
def test_what_is_no_sums_is_passed_over(value: bytes | None) -> None:
    assert read_sums(value, "m") is None
    board_of().heard(value, 0)


def test_sums_that_are_right_are_read() -> None:
    assert read_sums(SUMS % (b"events", b"1"), "m") is not None


def test_sums_read_as_they_were_written() -> None:
    tally = Tally("a")
    board = board_of(tally)
    tally.written(*batch(300, 100, keys=[b"one"] * 200 + [None] * 100))  # type: ignore[arg-type]
    sums = tally.sums(board, GUARDS)
    assert sums is not None
    assert read_sums(sums.record(MODEL), MODEL) == sums
    assert read_sums(sums.record("other"), MODEL) is None


def test_a_decision_stays_until_the_state_changes_and_becomes_a_change_of_it() -> None:
    tally = Tally("a")
    board = board_of(tally)
    failing = [Rejected(row, Reason.NO_FEATURES, "") for row in range(200)]
    tally.written(*batch(400, 200, rejected=failing))  # type: ignore[arg-type]
    board.heard(told(tally, board), 0)
    tally.written(*batch(600))  # type: ignore[arg-type]
    board.heard(told(tally, board), 0)
    assert board.window == 1
    assert board.decision is not None
    assert (board.decision.version, board.decision.replica) == (CANARY, "a")
    change = withdrawal(board.held, board.decision)
    assert (change.by, change.action, str(change.after)) == ("guard", "withdraw", CHAMPION)
    assert change.after.guards == GUARDS
    assert change.why.startswith("dead_letters: 200 of 200 events were dead letters")
    board.changed(held(change.after))
    assert [board.decision, board.guards] == [None, None], "there is nothing left to guard"


def arms(tally: Tally, board: Board) -> dict[str, ArmSums]:
    sums = tally.sums(board, GUARDS)
    assert sums is not None
    return sums.arms


def test_what_counts_as_failed() -> None:
    tally = Tally("a")
    board = board_of(tally)
    scores = np.array([np.nan, np.inf, 0.5, 0.5, 0.5, 0.5, 0.5], np.float32)
    arm = np.array([1, 1, 1, 1, 1, 0, 0], np.uint8)
    rejected = [Rejected(6, Reason.TRUNCATED, ""), Rejected(2, Reason.NO_FEATURES, "")]
    records, outcome = written(scores, arm, seconds=[0, 0], rejected=rejected)
    object.__setattr__(outcome, "undecoded", 1)
    tally.written(records, outcome, [Rejected(3, Reason.UNWRITABLE, "")])
    counted = arms(tally, board)
    assert (counted[CANARY].events, counted[CANARY].failed) == (5, 4)
    assert (counted[CHAMPION].events, counted[CHAMPION].failed) == (1, 0), "no version decodes events"


def calls() -> Iterator[tuple[float, int, bool]]:
    """Yield the seconds of a canary's call, its rows, and whether it is slow; the champion takes 100 us an event."""
    yield QUICK_SECONDS, 1, False
    yield QUICK_SECONDS * 1.1, 1, True
    yield 2.9e-4 * 100, 100, False
    yield 3.1e-4 * 100, 100, True


@pytest.mark.parametrize(("seconds", "rows", "slow"), list(calls()))
def test_a_call_is_slow_by_the_champions_time_for_as_many_events(seconds: float, rows: int, slow: bool) -> None:  # noqa: FBT001  a parameter
    tally = Tally("a")
    board = board_of(tally)
    arm = np.array([1] * rows + [0] * 300, np.uint8)
    tally.written(*written(np.full(len(arm), 0.5, np.float32), arm, seconds=[0.03, seconds]), [])
    counted = arms(tally, board)
    assert (counted[CANARY].calls, counted[CANARY].slow) == (1, slow)
    assert (counted[CHAMPION].calls, counted[CHAMPION].slow) == (1, 0)


def test_events_of_a_key_are_one_wherever_they_are_scored() -> None:
    chance = np.random.default_rng(0)
    counts = chance.zipf(1.5, 500).clip(max=2_000)
    keys = [b"key-%d" % number for number, count in enumerate(counts.tolist()) for _ in range(count)]
    tallies = [Tally("a"), Tally("b")]
    boards = [board_of(tally) for tally in tallies]
    for tally in tallies:  # each replica scores half of the events of every key
        tally.written(*batch(len(keys), keys=keys))  # type: ignore[arg-type]
    total = arms(tallies[0], boards[0])[CHAMPION] + arms(tallies[1], boards[1])[CHAMPION]
    exact = (2 * len(keys)) ** 2 / float(((2 * counts) ** 2).sum())
    assert total.independent == pytest.approx(exact, rel=0.4)
    alone = ArmSums(events=700, alone=700)
    assert alone.independent == 700


def test_scores_of_any_kind_have_bins() -> None:
    chance = np.random.default_rng(0)
    for values in (chance.random(5_000), chance.normal(1e6, 1, 5_000), chance.poisson(2, 5_000), np.zeros(5_000)):
        edges = edges_of(values.astype(np.float64))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        assert counts.sum() == 5_000
        assert counts.max() <= 550 or len(np.unique(values)) < 20
    assert edges_of(np.full(200, 7.0)) == (np.nextafter(7.0, -np.inf), 7.0), "below, equal and above"
    classes = one_number(np.array([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.2, 0.7, 0.1]], np.float32))
    assert classes.astype(int).tolist() == [0, 2, 1]


def test_a_replica_without_canaries_counts_nothing() -> None:
    tally = Tally("a")
    board = board_of(tally)
    tally.switch(on=False)
    tally.written(*batch(500))  # type: ignore[arg-type]
    tally.switch(on=True)
    assert tally.sums(board, GUARDS) is None
