"""The loop on fakes: whatever servers do in whatever order, each event that stays ours is written once, in order."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer import pipeline
from scorer.batch import Records
from scorer.errors import Aborted, Fatal, Unavailable
from scorer.kafka.consume.records import take
from scorer.monitor import Component

PARTITIONS = range(3)
WINDOW, MOST = 2, 8  # batches that are not acknowledged, and records that are not committed
Row = tuple[int, int]  # partition, offset


class Script:
    """What happens, call by call, to the group, the store and the brokers; the end of it is a stop.

    A step that the called one cannot do is lost, as are "nothing" and whatever else is unknown.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = list(steps)
        self.stopped = False
        self.silent = 0  # calls since the last heartbeat

    def next(self) -> str:
        self.silent += 1
        assert self.silent < 8, "no heartbeat"
        step = self._steps.pop(0) if self._steps else "stop"
        self.stopped = self.stopped or step == "stop"
        return step


class Source:
    """A consumer; partitions change hands inside of its calls alone, as they do in the client."""

    starts = SimpleNamespace(decided=True)
    commits = SimpleNamespace(failure="")

    def __init__(self, script: Script, delivery: "Delivery") -> None:
        self._script, self._delivery = script, delivery
        self._next = dict.fromkeys(PARTITIONS, 0)
        self._delivery.owned = set(PARTITIONS)

    @property
    def assignment(self) -> SimpleNamespace:
        return SimpleNamespace(owned=self._delivery.owned, joined=bool(self._delivery.owned))

    def poll(self) -> Records | None:
        assert not self._delivery.full, "the window has no room"
        assert not self._delivery.behind, "commits are behind"
        step = self._step()
        chosen: list[Row] = []
        for partition in sorted(self._delivery.owned) if step == "batch" else ():
            chosen += [(partition, self._next[partition]), (partition, self._next[partition] + 1)]
            self._next[partition] += 2
        return records(chosen) if chosen else None

    def keep_alive(self, batch: Records | None, _: float) -> Records | None:
        before = set(self._delivery.owned)
        step = self._step()
        if step.startswith("return") and (partition := int(step[-1])) in self._delivery.owned:  # after a loss, at once
            self._gain(partition)
            before.discard(partition)
        kept = before & self._delivery.owned
        return batch and take(batch, np.flatnonzero([partition in kept for partition, _ in rows(batch)]))

    def _step(self) -> str:
        step = self._script.next()
        if step.startswith("lose"):
            self._delivery.owned.discard(int(step[-1]))
        elif step.startswith("gain") and int(step[-1]) not in self._delivery.owned:
            self._gain(int(step[-1]))
        return step

    def _gain(self, partition: int) -> None:
        """Own a partition from where another replica would go on."""
        self._delivery.owned.add(partition)
        self._next[partition] = self._delivery.written[partition]


class Delivery:
    """Brokers that take what is written, and check it."""

    waiting_seconds = 0.0

    def __init__(self, script: Script) -> None:
        self._script = script
        self.owned: set[int] = set()
        self.written: Counter[int] = Counter()  # by partition, from offset 0 on
        self.in_flight: list[int] = []
        self.uncommitted = 0
        self.aborted = 0

    @property
    def full(self) -> bool:
        return len(self.in_flight) >= WINDOW

    @property
    def behind(self) -> bool:
        return self.uncommitted > MOST

    def publish(self, batch: Records, *_: object) -> None:
        step = self._script.next()
        if step == "aborted":
            self.aborted += 1
            raise Aborted("the transaction was aborted")
        if step == "fatal":
            raise Fatal("the brokers refused a write")
        for partition, offset in rows(batch):
            assert partition in self.owned, "an event of a partition that is not ours was written"
            assert offset == self.written[partition], "an event was left out or written twice"
            self.written[partition] += 1
        self.in_flight.append(len(batch))

    def serve(self, _: float = 0.0) -> None:
        if self._script.next() == "acknowledge" and self.in_flight:
            self.uncommitted += self.in_flight.pop(0)

    def commit(self) -> None:
        if self._script.next() == "confirm":
            self.uncommitted = 0


class Watch:
    """Notes what it is told."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.told: list[tuple[Component, str]] = []
        self.turns = 0

    def stage(self, _: str) -> AbstractContextManager[None]:
        return nullcontext()

    def heartbeat(self) -> None:
        self._script.silent = 0

    def status(self, component: Component, reason: str = "", shown: str = "") -> None:  # noqa: ARG002  as `Watch` has it
        self.told.append((component, reason))

    def assigned(self, partitions: int, *, joined: bool, decided: bool) -> None:
        assert decided
        assert joined == bool(partitions)

    def scored(self, outcome: object) -> None:
        """Nothing to do."""

    def written(self, *_: object) -> None:
        """Nothing to do."""

    def turn_ended(self, _: Records | None) -> None:
        self.turns += 1


class Loop:
    """A loop among fakes, and what scores for it."""

    def __init__(self, *steps: str) -> None:
        self.script = Script(steps)
        self.delivery, self.watch = Delivery(self.script), Watch(self.script)
        self.source = Source(self.script, self.delivery)
        self.scored = 0

    def decode(self, batch: Records) -> Records:
        return batch

    def score(self, batch: Records, _: float) -> Any:
        if self.script.next() == "unavailable":
            raise Unavailable("the store does not answer")
        self.scored += 1
        return SimpleNamespace(predictions=batch, rejected=[])

    def encode(self, batch: Records) -> Records:
        return batch

    def check(self, *_: object) -> None:
        """No limit of dead letters."""

    def run(self) -> None:
        source: Any = self.source
        delivery: Any = self.delivery
        watch: Any = self.watch
        scoring: Any = self
        parts = pipeline.Parts(source, scoring, scoring, None, scoring, scoring, delivery, watch)
        pipeline.run(parts, lambda: self.script.stopped)


def records(chosen: Sequence[Row]) -> Records:
    count = len(chosen)
    return Records(
        topics=("in",),
        topic=np.zeros(count, np.int32),
        partition=np.array([partition for partition, _ in chosen], np.int32),
        offset=np.array([offset for _, offset in chosen], np.int64),
        timestamp=np.zeros(count, np.int64),
        keys=[None] * count,
        data=np.zeros(count, np.uint8),
        ends=np.arange(1, count + 1),
        originals=[None] * count,
    )


def rows(batch: Records) -> list[Row]:
    return list(zip(batch.partition.tolist(), batch.offset.tolist(), strict=True))


STEPS = [
    *("batch", "batch", "batch", "nothing", "nothing", "acknowledge", "acknowledge", "confirm"),
    *("unavailable", "aborted", "lose 0", "lose 1", "gain 0", "gain 1", "return 2"),
]


@given(st.lists(st.sampled_from(STEPS), max_size=200))
def test_what_stays_ours_is_written_once_and_in_order(steps: list[str]) -> None:
    loop = Loop(*steps)
    loop.run()
    assert loop.script.stopped


def test_an_undisturbed_batch_takes_one_turn() -> None:
    loop = Loop("batch", "score", "publish", "acknowledge", "confirm")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)
    assert loop.delivery.uncommitted == 0
    assert loop.watch.turns == 3, "the start, the batch, and the stop"


def test_a_batch_is_scored_again_when_the_store_is_back() -> None:
    loop = Loop("batch", "unavailable", "keep_alive", "unavailable", "keep_alive", "score", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)
    assert loop.watch.told.count((Component.FEATURES, "the store does not answer")) == 2


def test_an_aborted_transaction_is_tried_again_without_what_was_lost_meanwhile() -> None:
    loop = Loop("batch", "score", "aborted", "lose 1", "score", "publish")
    loop.run()
    assert loop.delivery.written == {0: 2, 2: 2}
    assert (Component.WRITES, "the transaction was aborted") in loop.watch.told


def test_a_partition_that_is_lost_and_comes_back_while_its_batch_is_held_is_read_again() -> None:
    loop = Loop("batch", "unavailable", "return 2", "score", "publish", "serve", "commit", "batch", "score", "publish")
    loop.run()
    assert loop.delivery.written == {0: 4, 1: 4, 2: 2}


def test_a_full_window_is_waited_for() -> None:
    turn = ("batch", "score", "publish", "serve", "commit")
    loop = Loop(*turn, *turn, "serve", "commit", "acknowledge", "confirm", "batch", "score", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 6)


def test_commits_that_are_behind_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "CATCH_UP_SECONDS", -1.0)  # told at once
    turn = ("batch", "score", "publish", "acknowledge", "commit")
    loop = Loop(*turn, *turn, "commit", "keep_alive", "confirm", "keep_alive", "batch", "score", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 6)
    assert any(component is Component.WRITES and reason for component, reason in loop.watch.told)


@pytest.mark.parametrize("steps", [("batch", "unavailable", "stop"), ("batch", "score", "aborted", "stop")])
def test_a_stop_while_a_batch_waits_abandons_it(steps: tuple[str, ...]) -> None:
    loop = Loop(*steps)
    loop.run()
    assert loop.delivery.written == {}


def test_a_refused_write_ends_the_loop() -> None:
    loop = Loop("batch", "score", "fatal")
    with pytest.raises(Fatal, match="refused"):
        loop.run()
    assert loop.delivery.written == {}
