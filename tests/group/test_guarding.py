"""Who withdraws a canary: one replica of the group, and another if that one does not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from structlog.testing import capture_logs

from scorer.batch import Reason, Rejected
from scorer.errors import Unavailable
from scorer.group import guarding
from scorer.group.guarding import Guardian
from scorer.kafka import DeadLetterLimit
from scorer.replica.app import UNGUARDED, _guarded
from scorer.rollout import Board, Canary, Change, Conflict, Guards, Held, Listener, Log, State
from scorer.rollout.sums import read_sums
from tests.rollout.group import CANARY, CHAMPION, MODEL, written

FIRST = State(champion=CHAMPION)
STATE = State(champion=CHAMPION, canaries=(Canary(version=CANARY, percent=50.0, salt="2"),), guards=Guards(least=100))


class Shelf:
    """A log in memory, which may be out of reach."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.lock = threading.Lock()
        self.away = threading.Event()
        self.change("canary", STATE)

    def change(self, action: str, after: State) -> None:
        log = Log(MODEL)
        with self.lock:
            for value in self.values:
                log.read(value)
            self.values.append(log.record(log.held.next(action, after, log.held.state or FIRST, by="a@b")))

    @property
    def history(self) -> list[Change]:
        log = Log(MODEL)
        for value in list(self.values):
            log.read(value)
        return list(log.held.history)

    @property
    def changes(self) -> int:
        return sum(b'"action"' in (value or b"") for value in self.values)


class Reader:
    """What `ControlTopic` is, on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._log, self._next = shelf, Log(MODEL), 0

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def read(self) -> Held:
        if self._shelf.away.is_set():
            raise Unavailable("the brokers are away")
        for value in self._shelf.values[self._next :]:
            self._next += 1
            if self._log.read(value):
                self._listener.changed(self._log.held)
            else:
                self._listener.heard(value, time.time())
        return self._log.held

    def wait(self, seconds: float) -> Held:
        time.sleep(min(seconds, 0.01))
        return self.read()

    def tell(self, name: str, value: bytes | None) -> None:
        assert name in {"a", "b"}
        self._shelf.values.append(value)

    def write(self, change: Change, read: Held) -> None:
        del read
        with self._shelf.lock:
            self._shelf.values.append(self._log.record(change))
        if change.id not in {each.id for each in self.read().history}:
            raise Conflict("the shelf", self._log.held)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TELL_SECONDS", "LOOK_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(guarding, name, 0.01)
    monkeypatch.setattr(guarding, "PATIENCE_SECONDS", 0.3)


@contextmanager
def guardian(shelf: Shelf, name: str, counted: list[str]) -> Iterator[Guardian]:
    one = Guardian(lambda: Reader(shelf), MODEL, name, counted.append)
    one.start()
    try:
        one.served(STATE)
        yield one
    finally:
        one.close()


def score(one: Guardian, *, bad: bool = True) -> None:
    arm = np.array([1] * 200 + [0] * 200, np.uint8)
    rejected = [Rejected(row, Reason.MODEL_ERROR, "", CANARY) for row in range(200)] if bad else []
    one.tally.written(*written(np.full(400, 0.5, np.float32), arm, seconds=[0, 0], rejected=rejected), [])


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_the_replica_whose_sums_decide_withdraws_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "PATIENCE_SECONDS", 1_000)
    shelf, counts = Shelf(), ([], [])  # type: tuple[Shelf, tuple[list[str], list[str]]]
    with guardian(shelf, "a", counts[0]) as one, guardian(shelf, "b", counts[1]) as two:
        score(two, bad=False)
        until(lambda: any(read_sums(value, MODEL) for value in shelf.values), "sums")
        score(one)
        until(lambda: shelf.history[-1].action == "withdraw", "a withdrawal")
        until(lambda: counts[0], "its count")
        one.served(FIRST)
        two.served(FIRST)
    assert shelf.changes == 2, "the canary, and one withdrawal"
    assert shelf.history[-1].by == "guard"
    assert shelf.history[-1].after == FIRST.model_copy(update={"guards": STATE.guards})
    assert counts == (["dead_letters"], [])
    assert shelf.values[-2:] == [None, None], "each replica deletes its sums"


@pytest.mark.parametrize("patience", [0.3, 1_000.0])
def test_another_withdraws_only_if_the_one_that_should_does_not(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """Replica a has told what decides, and is gone."""
    monkeypatch.setattr(guarding, "PATIENCE_SECONDS", patience)
    shelf, counted, board = Shelf(), list[str](), Board(MODEL)
    log = Log(MODEL)
    log.read(shelf.values[0])
    board.changed(log.held)
    gone = Guardian(lambda: Reader(shelf), MODEL, "a", print)
    gone.tally.switch(on=True)
    score(gone)
    sums = gone.tally.sums(board, STATE.guards or Guards())
    assert sums is not None
    shelf.values.append(sums.record(MODEL))
    with guardian(shelf, "b", counted) as other:
        score(other, bad=False)
        until(lambda: len(shelf.values) > 2, "sums of the other, which has read the decision")
        if patience < 1:
            until(lambda: shelf.history[-1].action == "withdraw", "a withdrawal by the other")
            until(lambda: counted, "its count")
    assert counted == (["dead_letters"] if patience < 1 else [])
    assert shelf.changes == (2 if patience < 1 else 1)


def test_a_log_that_is_away_is_read_again() -> None:
    shelf = Shelf()
    shelf.away.set()
    with capture_logs() as logs, guardian(shelf, "a", []) as one:
        score(one)
        until(lambda: logs, "a warning")
        assert logs[0]["event"] == "canaries are not guarded by this replica"
        assert "the brokers are away" in logs[0]["reason"]
        shelf.away.clear()
        until(lambda: shelf.history[-1].action == "withdraw", "a withdrawal")


def test_a_change_that_came_first_counts_and_the_withdrawal_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, counted = Shelf(), list[str]()
    before = Reader.write

    def write(self: Reader, change: Change, read: Held) -> None:
        monkeypatch.setattr(Reader, "write", before)
        shelf.change("promote", State(champion=CANARY))
        before(self, change, read)

    monkeypatch.setattr(Reader, "write", write)
    with guardian(shelf, "a", counted) as one:
        score(one)
        until(lambda: shelf.changes == 3, "a withdrawal that comes too late")
        with suppress(IndexError):
            one.served(State(champion=CANARY))
    assert [change.action for change in shelf.history] == ["canary", "promote"]
    assert counted == []


def test_without_canaries_nothing_is_told() -> None:
    shelf = Shelf()
    one = Guardian(lambda: Reader(shelf), MODEL, "a", print)
    one.start()
    one.served(FIRST)
    score(one)
    one.close()
    assert len(shelf.values) == 1


def test_without_a_topic_nobody_guards_and_the_log_says_so() -> None:
    limit, guarded = DeadLetterLimit(0.1, 10), Guardian(lambda: Reader(Shelf()), MODEL, "a", print)
    with capture_logs() as logs:
        _guarded(None, limit, STATE)
        assert limit.exempt == frozenset(), "nobody withdraws the canary, so its dead letters count"
        _guarded(None, limit, FIRST)
        _guarded(guarded, limit, STATE)
    assert [each["event"] for each in logs] == [UNGUARDED]
    assert limit.exempt == {CANARY}
    _guarded(guarded, limit, STATE.model_copy(update={"guards": None}))
    assert limit.exempt == frozenset()
