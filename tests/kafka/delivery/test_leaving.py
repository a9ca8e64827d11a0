"""A replica leaves when everything that it published is committed, or when its time is up."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from scorer.errors import Fatal
from scorer.kafka.delivery.at_least_once import AtLeastOnce
from scorer.kafka.delivery.checkpoint import Checkpoint, InFlight, Limits
from scorer.kafka.delivery.exactly_once import ExactlyOnce
from scorer.kafka.delivery.leaving import Leftover, commit_before_leaving
from tests.kafka.delivery.test_checkpoint import Broker, records

PLACE, OTHER = ("a", 0), ("a", 1)
EVENTS = 3


class Group:
    """A member of a group and its producer; each turn of the wait runs the next step."""

    def __init__(self, *turns: Callable[["Group"], object]) -> None:
        self.broker = Broker()
        now = iter(range(1_000))
        self.checkpoint = Checkpoint(self.broker, Limits(4), lambda _: None, clock=lambda: next(now))
        sink: Any = self
        self.delivery: AtLeastOnce | ExactlyOnce = AtLeastOnce(sink, self.checkpoint)
        self.turns, self.left = list(turns), 100.0

    def open(self, partition: tuple[str, int] = PLACE) -> InFlight:
        """Publish events of a partition."""
        batch = self.checkpoint.open(records([(partition, offset) for offset in range(EVENTS)]), EVENTS)
        self.batch = batch
        return batch

    def acknowledge(self) -> None:
        for _ in range(EVENTS):
            self.batch.delivered(None, None)

    def answer(self, *, confirmed: bool) -> None:
        """Answer the commit in flight."""
        assert self.broker.on_its_way is not None
        if confirmed:
            self.broker.committed.update(self.broker.on_its_way)
        self.broker.on_its_way = None
        self.checkpoint.committed(confirmed=confirmed)

    def keep_alive(self, _: None, __: float) -> None:
        self.left -= 1
        if self.turns:
            self.turns.pop(0)(self)

    def poll(self, _: float) -> None:
        """Take delivery reports, in place of the producer."""

    def leave(self) -> Leftover:
        return commit_before_leaving(self, self.delivery, lambda: self.left, lambda: None)


class OpenTransaction:
    """A producer whose transaction does not end."""

    open = True

    def settle(self, _: float) -> bool:
        return not self.open


def acknowledge(group: Group) -> None:
    group.acknowledge()


def refuse(group: Group) -> None:
    group.answer(confirmed=False)


def confirm(group: Group) -> None:
    group.answer(confirmed=True)


def lose(group: Group) -> None:
    group.delivery.forget([PLACE])


def expire(group: Group) -> None:
    group.left = 0.0


def test_a_replica_that_has_published_nothing_leaves_at_once() -> None:
    group = Group()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.left == 100


def test_a_commit_refused_during_a_rebalance_is_retried_after_it() -> None:
    group = Group(acknowledge, refuse, refuse, confirm)
    group.open()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.broker.committed == {PLACE: EVENTS}


def test_events_not_committed_in_time_are_counted() -> None:
    group = Group(acknowledge, refuse, expire)
    group.open()
    group.checkpoint.open(records([(OTHER, 0)]), 1)
    assert group.leave() == Leftover(EVENTS + 1, transaction=False)
    assert group.broker.committed == {}


def test_partitions_lost_while_leaving_are_not_committed_but_counted() -> None:
    group = Group(acknowledge, refuse, lose)
    group.open()
    with capture_logs() as lines:
        assert group.leave() == Leftover(EVENTS, transaction=False)
    assert group.broker.committed == {}
    assert [line["at_most"] for line in lines if "at_most" in line] == [EVENTS]


def test_a_commit_in_flight_when_its_partitions_are_lost_does_no_harm() -> None:
    group = Group(acknowledge, lose)
    group.open()
    assert group.leave().events == EVENTS
    assert group.broker.on_its_way == {PLACE: EVENTS}
    refuse(group)
    assert group.broker.committed == {}
    assert group.checkpoint.clear


def test_partitions_lost_before_the_stop_are_not_counted_again() -> None:
    group = Group(confirm)
    group.open()
    group.acknowledge()
    lose(group)
    group.open(OTHER)
    group.acknowledge()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.broker.committed == {OTHER: EVENTS}


def test_an_open_transaction_is_waited_for_and_reported() -> None:
    transactions: Any = OpenTransaction()
    delivery = ExactlyOnce(transactions, lambda: None)
    group = Group(lambda _: None, expire)
    group.delivery = delivery
    assert group.leave() == Leftover(0, transaction=True)
    group = Group(lambda _: None, lambda _: setattr(transactions, "open", False))
    group.delivery = delivery
    assert group.leave() == Leftover(0, transaction=False)
    assert group.left == 98


def test_a_refused_write_ends_the_wait() -> None:
    group = Group(lambda group: group.batch.delivered("too large", None))
    group.open()
    with pytest.raises(Fatal, match="too large"):
        group.leave()
    assert group.broker.committed == {}


def test_a_commit_before_a_revocation_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group()
    group.open()
    group.acknowledge()
    group.broker.reachable = False
    monkeypatch.setattr(
        "scorer.kafka.delivery.at_least_once.time.sleep", lambda _: setattr(group.broker, "reachable", True)
    )
    group.delivery.finish(0)
    assert group.broker.committed == {PLACE: EVENTS}


def test_a_commit_before_a_revocation_is_given_up_eventually(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group()
    group.open()
    group.acknowledge()
    group.broker.reachable = False
    monkeypatch.setattr("scorer.kafka.delivery.at_least_once.REVOKE_SECONDS", 0)
    group.delivery.finish(0)
    assert group.broker.committed == {}
