"""Only written records are committed, in every order of acknowledgements, commits and rebalances."""

from collections.abc import Mapping
from functools import partial
from itertools import count

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scorer.batch import Records
from scorer.errors import Fatal
from scorer.kafka.delivery.checkpoint import COMMIT_SECONDS, Checkpoint, InFlight, Limits
from scorer.kafka.offsets import Partition

PARTITIONS = [("a", 0), ("a", 1), ("b", 0)]
TOPICS = ("a", "b")
MOST, ROWS, IN_FLIGHT = 4, 5, 7  # the limits on written but uncommitted records, on a batch, and on what is in flight


def records(rows: list[tuple[Partition, int]]) -> Records:
    """Return a batch with these offsets of partitions and dummy values."""
    return Records(
        topics=TOPICS,
        topic=np.array([TOPICS.index(partition[0]) for partition, _ in rows], np.int32),
        partition=np.array([partition[1] for partition, _ in rows], np.int32),
        offset=np.array([offset for _, offset in rows], np.int64),
        timestamp=np.zeros(len(rows), np.int64),
        keys=[None] * len(rows),
        data=np.zeros(0, np.uint8),
        ends=np.zeros(len(rows), np.int64),
        originals=rows,
    )


class Broker:
    """Receives commits, and confirms or refuses them when the test says so."""

    def __init__(self) -> None:
        self.on_its_way: dict[Partition, int] | None = None
        self.committed: dict[Partition, int] = {}
        self.reachable = True

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        assert self.on_its_way is None, "a commit overtook another"
        self.on_its_way = dict(offsets)

    def finish(self, offsets: Mapping[Partition, int], seconds: float) -> bool:  # noqa: ARG002  the protocol's
        if self.reachable:
            self.committed.update(offsets)
        return self.reachable


def test_a_refused_write_is_fatal_and_blocks_later_commits() -> None:
    broker = Broker()
    checkpoint = Checkpoint(broker, Limits(4), lambda _: None)
    refused = checkpoint.open(records([(("a", 0), 0)]), 1)
    later = checkpoint.open(records([(("a", 0), 1)]), 1)
    later.delivered(None, None)
    refused.delivered("too large", None)
    with pytest.raises(Fatal, match="too large"):
        checkpoint.settle()
    with pytest.raises(Fatal):
        checkpoint.finish(1)
    assert broker.on_its_way is None
    assert broker.committed == {}


def test_a_refused_commit_is_retried_after_a_delay() -> None:
    broker, now = Broker(), [0.0]
    checkpoint = Checkpoint(broker, Limits(4), lambda _: None, clock=lambda: now[0])
    checkpoint.open(records([(("a", 0), 0)]), 1).delivered(None, None)
    checkpoint.settle()
    broker.on_its_way = None
    checkpoint.committed(confirmed=False)
    checkpoint.settle()
    assert broker.on_its_way is None
    now[0] += COMMIT_SECONDS
    checkpoint.settle()
    assert broker.on_its_way == {("a", 0): 1}


@pytest.mark.parametrize(
    ("after", "rows", "commits"),
    [(0.0, 2, False), (0.0, 3, True), (COMMIT_SECONDS / 2, 2, False), (COMMIT_SECONDS, 1, True)],
)
def test_a_commit_waits_until_there_are_enough_records(after: float, rows: int, commits: bool) -> None:  # noqa: FBT001  by pytest
    broker, now = Broker(), [0.0]
    checkpoint = Checkpoint(broker, Limits(4, enough=3), lambda _: None, clock=lambda: now[0])

    def write(offset: int) -> None:
        checkpoint.open(records([(("a", 0), offset)]), 1).delivered(None, None)
        checkpoint.settle()

    write(0)
    assert broker.on_its_way == {("a", 0): 1}  # the first for a long time
    broker.on_its_way = None
    checkpoint.committed(confirmed=True)
    now[0] += after
    for offset in range(1, 1 + rows):
        write(offset)
    assert broker.on_its_way == ({("a", 0): 1 + rows} if commits else None)


def test_lagging_commits_are_reported_until_they_have_caught_up() -> None:
    broker = Broker()
    checkpoint = Checkpoint(broker, Limits(4, most=2), lambda _: None)

    def write(offset: int) -> None:
        checkpoint.open(records([(("a", 0), offset)]), 1).delivered(None, None)
        checkpoint.settle()

    write(0)  # its commit is in flight, and stays so
    write(1)
    told = [checkpoint.behind]
    write(2)
    told.append(checkpoint.behind)
    broker.reachable = False
    assert not checkpoint.finish(1)
    told.append(checkpoint.behind)
    broker.on_its_way = None
    checkpoint.committed(confirmed=True)  # only of the first
    told.append(checkpoint.behind)
    write(3)
    told.append(checkpoint.behind)
    broker.reachable = True
    assert checkpoint.finish(1)
    told.append(checkpoint.behind)
    assert told == [False, True, True, False, True, False]
    assert broker.committed == {("a", 0): 4}


def test_batches_of_lost_partitions_are_not_waited_for() -> None:
    checkpoint = Checkpoint(Broker(), Limits(4, most=0), lambda _: None)
    lost = checkpoint.open(records([(("a", 0), 0)]), 1)
    checkpoint.forget([("a", 0)])
    lost.delivered(None, None)
    checkpoint.settle()
    assert not checkpoint.behind


def test_a_position_is_committed_after_batches_published_earlier() -> None:
    broker = Broker()
    checkpoint = Checkpoint(broker, Limits(4), lambda _: None)
    first, second = (checkpoint.open(records([(("a", 0), offset)]), 1) for offset in (0, 1))
    checkpoint.advance({("a", 0): 9, ("b", 0): 3})
    second.delivered(None, None)
    checkpoint.settle()
    assert broker.on_its_way is None
    first.delivered(None, None)
    checkpoint.settle()
    assert broker.on_its_way == {("a", 0): 9, ("b", 0): 3}


def test_a_written_batch_does_not_overtake_the_one_before_it() -> None:
    broker = Broker()
    checkpoint = Checkpoint(broker, Limits(4), lambda _: None)
    first, second = (checkpoint.open(records([(partition, 0)]), 1) for partition in PARTITIONS[:2])
    first.delivered(None, None)
    checkpoint.settle()
    assert broker.on_its_way == {PARTITIONS[0]: 1}
    assert checkpoint.uncommitted == 2
    broker.on_its_way = None
    checkpoint.committed(confirmed=True)
    second.delivered(None, None)
    assert checkpoint.finish(1)
    assert broker.committed == {PARTITIONS[1]: 1}


@pytest.mark.parametrize(
    ("limits", "batches", "fits"),
    [
        (Limits(2), [1], 100),
        (Limits(2), [1, 1], 0),
        (Limits(3, 7), [5], 2),
        (Limits(3, 7), [2, 3], 2),
        (Limits(3, 7), [9], 0),  # a batch that is alone may have more
    ],
)
def test_a_batch_waits_for_room(limits: Limits, batches: list[int], fits: int) -> None:
    checkpoint = Checkpoint(Broker(), limits, lambda _: None)
    assert not checkpoint.full(100)
    for offset, events in enumerate(batches):
        checkpoint.open(records([(("a", 0), offset)] * events), 1)
    assert [checkpoint.full(events) for events in (fits, fits + 1)] == [not fits, fits < 100]


class CheckpointMachine(RuleBasedStateMachine):
    """Opens batches, acknowledges them in any order, loses partitions, and lets commits succeed or fail."""

    @initialize()
    def start(self) -> None:
        self.broker = Broker()
        self.counts: list[int] = []
        # A second passes with each call of the clock, so that every commit is due.
        clock = partial(next, count(0.0))
        self.checkpoint = Checkpoint(self.broker, Limits(3, IN_FLIGHT, most=MOST), self.counts.append, clock)
        self.next: dict[Partition, int] = dict.fromkeys(PARTITIONS, 0)
        self.flights: list[tuple[InFlight, list[tuple[Partition, int]]]] = []
        self.written: dict[Partition, set[int]] = {partition: set() for partition in PARTITIONS}
        self.unreadable: dict[Partition, set[int]] = {partition: set() for partition in PARTITIONS}
        self.ours = set(PARTITIONS)

    @precondition(lambda self: not self.checkpoint.full(1) and not self.checkpoint.behind and self.ours)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.ours)), min_size=1, max_size=ROWS))
        if self.checkpoint.full(len(chosen)):
            return
        rows = []
        for partition in chosen:
            rows.append((partition, self.next[partition]))
            self.next[partition] += 1
        self.flights.append((self.checkpoint.open(records(rows), len(rows)), rows))

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def acknowledge_one_write(self, data: st.DataObject) -> None:
        flight, rows = data.draw(st.sampled_from(self.flights))
        if flight.acknowledged < flight.writes:
            partition, offset = rows[flight.acknowledged]
            self.written[partition].add(offset)
            flight.delivered(None, None)

    @precondition(lambda self: self.ours)
    @rule(data=st.data())
    def reach_an_end(self, data: st.DataObject) -> None:
        """Advance past the offset of a transaction marker, for which nothing is written."""
        partition = data.draw(st.sampled_from(sorted(self.ours)))
        self.unreadable[partition].add(self.next[partition])
        self.next[partition] += 1
        self.checkpoint.advance({partition: self.next[partition]})

    @rule()
    def settle(self) -> None:
        self.checkpoint.settle()

    @precondition(lambda self: self.broker.on_its_way is not None)
    @rule(confirmed=st.booleans())
    def answer_the_commit(self, confirmed: bool) -> None:  # noqa: FBT001  Hypothesis passes it by name
        sent, self.broker.on_its_way = self.broker.on_its_way, None
        if confirmed:
            self.broker.committed.update({p: offset for p, offset in (sent or {}).items() if p in self.ours})
        self.checkpoint.committed(confirmed=confirmed)

    @rule(reachable=st.booleans())
    def finish(self, reachable: bool) -> None:  # noqa: FBT001  Hypothesis passes it by name
        self.broker.reachable = reachable
        before = dict(self.broker.committed)
        done = self.checkpoint.finish(1)
        assert all(self.broker.committed[p] >= offset for p, offset in before.items()), "an offset went back"
        assert done or not reachable

    @precondition(lambda self: self.ours)
    @rule(data=st.data())
    def lose_a_partition(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(sorted(self.ours)))
        self.ours.discard(partition)
        self.checkpoint.forget([partition])
        # Another owner continues from here; a later commit of ours would show as a change.
        self.broker.committed[partition] = -1

    @invariant()
    def commit_implies_written(self) -> None:
        for partition, offset in self.broker.committed.items():
            if partition in self.ours:
                assert set(range(offset)) <= self.written[partition] | self.unreadable[partition]

    @invariant()
    def what_a_crash_repeats_is_bounded(self) -> None:
        committed = self.broker.committed
        repeated = [offset for p in self.ours for offset in self.written[p] if offset >= committed.get(p, 0)]
        assert len(repeated) <= MOST + IN_FLIGHT

    @invariant()
    def what_is_lost_is_never_committed(self) -> None:
        for partition in set(PARTITIONS) - self.ours:
            assert self.broker.committed[partition] == -1

    @invariant()
    def the_window_is_bounded(self) -> None:
        assert not self.counts or max(self.counts) <= 3


CheckpointMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestCheckpoint = CheckpointMachine.TestCase
