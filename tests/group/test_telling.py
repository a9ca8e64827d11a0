"""The thread that tells the group what a replica does."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest
from structlog.testing import capture_logs

from scorer.errors import Unavailable
from scorer.group import telling
from scorer.group.telling import MonitorRecord, Telling


class Shelf:
    """A log in memory, which may be out of reach."""

    def __init__(self) -> None:
        self.told: list[MonitorRecord] = []
        self.away, self.opened = threading.Event(), 0

    def open(self) -> "Shelf":
        self.opened += 1
        return self

    def read(self) -> None:
        if self.away.is_set():
            raise Unavailable("the brokers are away")

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.001))
        self.read()

    def tell(self, name: str, document: object) -> None:
        self.told.append((name, document))

    def close(self) -> None:
        pass


class Counter:
    """Tells how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def due(self, now: float) -> Iterable[MonitorRecord]:
        assert now <= time.monotonic()
        self.asked += 1
        return [("status/a", {"asked": self.asked})]

    def last(self) -> Iterable[MonitorRecord]:
        return [("status/a", None)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "RETRY_SECONDS", 0.01)


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


def test_what_is_due_is_told_and_at_last_what_is_left() -> None:
    shelf = Shelf()
    one = Telling(shelf.open, [Counter()])
    one.start()
    until(lambda: len(shelf.told) > 2, "records")
    one.close()
    assert shelf.told[:2] == [("status/a", {"asked": 1}), ("status/a", {"asked": 2})]
    assert shelf.told[-1] == ("status/a", None)


def test_a_topic_that_is_away_is_said_once_and_tried_again() -> None:
    shelf, counter = Shelf(), Counter()
    shelf.away.set()
    with capture_logs() as logs:
        one = Telling(shelf.open, [counter])
        one.start()
        until(lambda: shelf.opened > 3, "attempts")
        assert [each["reason"] for each in logs] == ["the brokers are away"]
        assert counter.asked == 0, "what is due waits"
        shelf.away.clear()
        until(lambda: shelf.told, "records")
        until(lambda: len(logs) > 1, "a word that it is back")
        one.close()
    assert [each["log_level"] for each in logs] == ["warning", "info"]


def test_a_replica_that_never_reached_the_topic_stops_at_once() -> None:
    shelf = Shelf()
    shelf.away.set()
    one = Telling(shelf.open, [Counter()])
    one.close()
    one = Telling(shelf.open, [Counter()])
    one.start()
    one.close()
    assert shelf.told == []
    assert not one._thread.is_alive()
