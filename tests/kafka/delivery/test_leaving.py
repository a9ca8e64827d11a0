"""A replica leaves when all that it published is committed, or when its time is up."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from scorer.errors import Fatal
from scorer.kafka.delivery.checkpoint import Checkpoint, InFlight, Limits
from scorer.kafka.delivery.leaving import Leftover, commit_before_leaving, commit_before_revocation, give_up
from tests.kafka.delivery.test_checkpoint import Broker, records

PLACE, OTHER = ("a", 0), ("a", 1)
EVENTS = 3


class Group:
    """A member of a group, and its producer; each turn of the wait does the next of some things."""

    def __init__(self, *turns: Callable[["Group"], object]) -> None:
        self.broker = Broker()
        now = iter(range(1_000))
        self.checkpoint = Checkpoint(self.broker, Limits(4), lambda _: None, clock=lambda: next(now))
        self.turns, self.left, self.settled = list(turns), 100.0, True

    def open(self, partition: tuple[str, int] = PLACE) -> InFlight:
        """Publish events of a partition."""
        batch = self.checkpoint.open(records([(partition, offset) for offset in range(EVENTS)]), EVENTS)
        self.batch = batch
        return batch

    def acknowledge(self) -> None:
        for _ in range(EVENTS):
            self.batch.delivered(None, None)

    def answer(self, *, confirmed: bool) -> None:
        """Answer the commit on its way."""
        assert self.broker.on_its_way is not None
        if confirmed:
            self.broker.committed.update(self.broker.on_its_way)
        self.broker.on_its_way = None
        self.checkpoint.committed(confirmed=confirmed)

    def hold(self, _: None, __: float) -> None:
        self.left -= 1
        if self.turns:
            self.turns.pop(0)(self)

    def settle(self, _: float) -> bool:
        return self.settled

    def leave(self) -> Leftover:
        return commit_before_leaving(self, self, self.checkpoint, lambda: self.left, lambda: None)


def acknowledge(group: Group) -> None:
    group.acknowledge()


def refuse(group: Group) -> None:
    group.answer(confirmed=False)


def confirm(group: Group) -> None:
    group.answer(confirmed=True)


def lose(group: Group) -> None:
    give_up(group.checkpoint, [PLACE])


def expire(group: Group) -> None:
    group.left = 0.0


def test_who_has_published_nothing_leaves_at_once() -> None:
    group = Group()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.left == 100


def test_a_commit_that_is_refused_in_a_rebalance_is_made_after_it() -> None:
    group = Group(acknowledge, refuse, refuse, confirm)
    group.open()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.broker.committed == {PLACE: EVENTS}


def test_what_is_not_committed_in_time_is_counted() -> None:
    group = Group(acknowledge, refuse, expire)
    group.open()
    group.checkpoint.open(records([(OTHER, 0)]), 1)
    assert group.leave() == Leftover(EVENTS + 1, transaction=False)
    assert group.broker.committed == {}


def test_partitions_that_are_lost_meanwhile_are_not_committed_and_are_counted() -> None:
    group = Group(acknowledge, refuse, lose)
    group.open()
    with capture_logs() as lines:
        assert group.leave() == Leftover(EVENTS, transaction=False)
    assert group.broker.committed == {}
    assert [line["at_most"] for line in lines if "at_most" in line] == [EVENTS]


def test_a_commit_that_was_on_its_way_when_its_partitions_were_lost_does_no_harm() -> None:
    group = Group(acknowledge, lose)
    group.open()
    assert group.leave().events == EVENTS
    assert group.broker.on_its_way == {PLACE: EVENTS}
    refuse(group)
    assert group.broker.committed == {}
    assert group.checkpoint.clear


def test_what_was_lost_before_the_stop_is_not_told_again() -> None:
    group = Group(confirm)
    group.open()
    group.acknowledge()
    lose(group)
    group.open(OTHER)
    group.acknowledge()
    assert group.leave() == Leftover(0, transaction=False)
    assert group.broker.committed == {OTHER: EVENTS}


def test_an_open_transaction_is_waited_for_and_told() -> None:
    def end(group: Group) -> None:
        group.settled = True

    group = Group(lambda _: None, end)
    group.settled = False
    assert group.leave() == Leftover(0, transaction=False)
    group = Group(lambda _: None, expire)
    group.settled = False
    assert group.leave() == Leftover(0, transaction=True)


def test_a_refused_write_ends_the_wait() -> None:
    group = Group(lambda group: group.batch.delivered("too large", None))
    group.open()
    with pytest.raises(Fatal, match="too large"):
        group.leave()
    assert group.broker.committed == {}


def test_a_commit_before_a_revocation_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group()
    group.open()
    group.acknowledge()
    group.broker.reachable = False
    monkeypatch.setattr("scorer.kafka.delivery.leaving.time.sleep", lambda _: setattr(group.broker, "reachable", True))
    commit_before_revocation(group.checkpoint)
    assert group.broker.committed == {PLACE: EVENTS}


def test_a_commit_before_a_revocation_is_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group()
    group.open()
    group.acknowledge()
    group.broker.reachable = False
    monkeypatch.setattr("scorer.kafka.delivery.leaving.REVOKE_SECONDS", 0)
    commit_before_revocation(group.checkpoint)
    assert group.broker.committed == {}
