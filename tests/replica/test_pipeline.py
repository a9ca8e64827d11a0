"""The loop on fakes: whatever servers do in whatever order, each event that stays ours is written once, in order."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Payloads, Records
from scorer.errors import Fatal, Unavailable
from scorer.monitor import Component
from scorer.replica import pipeline
from tests.kafka.fakes import AtLeastOnce, Broker, ExactlyOnce, Row, Source, rows

PARTITIONS = range(3)
MODES = [AtLeastOnce, ExactlyOnce]


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
        assert self.silent < 10, "no heartbeat"
        step = self._steps.pop(0) if self._steps else "stop"
        self.stopped = self.stopped or step == "stop"
        return step


class Watch:
    """Notes what it is told."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.told: list[tuple[Component, str]] = []
        self.iterations = 0

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

    def iteration_ended(self, _: Records | None) -> None:
        self.iterations += 1


def strict(mode: type[AtLeastOnce | ExactlyOnce]) -> type[AtLeastOnce | ExactlyOnce]:
    """Return a mode of delivery that takes no batch for which it has no room."""

    class Strict(mode):  # type: ignore[misc, valid-type]  # mypy knows no base class that is chosen at run time
        def publish(self, records: Records, *args: Any) -> None:
            assert not self.full(len(records)), "the window has no room"
            assert not self.behind, "commits are behind"
            assert len(args[0].rows) == len(records), "predictions of other records"
            super().publish(records, *args)

    return Strict


class Loop:
    """A loop among fakes, and what scores for it; with look-ups it polls ahead."""

    fallback_reason = fallback_shown = ""

    def __init__(
        self, *steps: str, mode: type[AtLeastOnce | ExactlyOnce] = AtLeastOnce, looks_up: bool = False
    ) -> None:
        self.script = Script(steps)
        self.broker = Broker(dict.fromkeys(PARTITIONS, math.inf))
        self.delivery, self.watch = strict(mode)(self.broker, self.script.next), Watch(self.script)
        self.source = Source(self.delivery)
        self.scored = 0
        scoring: Any = self
        self.core = pipeline.Core(scoring, scoring, scoring if looks_up else None)
        self.looks_up = looks_up
        self.sent: list[list[Row]] = []  # the batches whose look-up was sent ahead

    def decode(self, batch: Records) -> Records:
        if self.looks_up and self.script.next() == "unknown schema":
            raise Unavailable("the registry does not answer")
        return batch

    def prepare(self, batch: Records) -> Any:
        return SimpleNamespace(events=batch, requests=rows(batch))

    def prefetch(self, requests: list[Row]) -> None:
        if requests not in self.sent[-1:]:
            self.sent.append(requests)

    def ping_if_idle(self) -> None:
        """Nothing to do."""

    def look_up(self, prepared: Any, _: float) -> Any:
        step = self.script.next()
        if step == "unavailable":
            raise Unavailable("the store does not answer")
        if step == "plain model":
            self.core = pipeline.Core(self.core.decoder, self.core.scorer, None)
        return prepared.events

    def finish(self, prepared: Any, found: Records, _: float) -> Any:
        batch: Records = prepared.events
        assert found is batch, "the features of another batch"
        self.scored += 1
        return SimpleNamespace(predictions=batch, rejected=[])

    def encode(self, batch: Records) -> Payloads:
        return Payloads(np.arange(len(batch)), bytes(len(batch)), np.arange(1, len(batch) + 1))

    def check(self, *_: object) -> None:
        """No limit of dead letters."""

    def run(self) -> None:
        source: Any = self.source
        watch: Any = self.watch
        scoring: Any = self
        parts = pipeline.Parts(source, lambda: self.core, scoring, scoring, self.delivery, watch)
        pipeline.run(parts, lambda: self.script.stopped)


TURN = ("batch", "score", "publish", "serve", "commit")
STEPS = [
    *("batch", "batch", "batch", "nothing", "nothing", "acknowledge", "acknowledge last", "confirm", "confirm", "deny"),
    *(
        "unavailable",
        "unknown schema",
        "plain model",
        "aborted",
        "revoke 0",
        "revoke 1",
        "lose 0",
        "lose 1",
        "gain 0",
        "gain 1",
        "return 2",
    ),
]


@pytest.mark.parametrize("mode", MODES)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=200), slow=st.booleans(), looks_up=st.booleans())
def test_events_of_owned_partitions_are_written_once_and_in_order(
    mode: type[AtLeastOnce | ExactlyOnce],
    steps: list[str],
    slow: bool,  # noqa: FBT001  Hypothesis passes it by name
    looks_up: bool,  # noqa: FBT001  the same
) -> None:
    loop = Loop(*steps, mode=mode, looks_up=looks_up)
    with patch.object(pipeline, "SLOW_WRITE_SECONDS", 0.5 if slow else 10.0):  # the fakes' oldest batch waits a second
        loop.run()
    assert loop.script.stopped
    assert loop.broker.lost() == [], "offsets were committed before all writes below them were acknowledged"
    if mode is ExactlyOnce:
        assert len(loop.broker.predictions) == len(set(loop.broker.predictions)) == loop.delivery.written.total()


def test_an_undisturbed_batch_takes_one_iteration() -> None:
    loop = Loop("batch", "score", "publish", "acknowledge", "commit", "confirm")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)
    assert loop.delivery.uncommitted == 0
    assert loop.watch.iterations == 3, "the start, the batch, and the stop"


def test_a_batch_is_retried_until_the_store_is_available() -> None:
    loop = Loop("batch", "unavailable", "keep_alive", "unavailable", "keep_alive", "score", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)
    assert loop.watch.told.count((Component.FEATURES, "the store does not answer")) == 2


def test_an_aborted_transaction_is_retried_without_lost_partitions() -> None:
    loop = Loop("batch", "score", "aborted", "lose 1", "score", "publish", mode=ExactlyOnce)
    loop.run()
    assert loop.delivery.written == {0: 2, 2: 2}
    assert (Component.WRITES, "the transaction was aborted") in loop.watch.told


def test_a_partition_lost_and_reassigned_while_its_batch_waits_is_read_again() -> None:
    loop = Loop("batch", "unavailable", "return 2", "score", "publish", "serve", "commit", "batch", "score", "publish")
    loop.run()
    assert loop.delivery.written == {0: 4, 1: 4, 2: 2}


def test_a_scored_batch_waits_for_room_in_the_window() -> None:
    loop = Loop(*TURN, "batch", "score", "serve", "commit", "acknowledge", "commit", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 4)
    assert loop.scored == 2


def test_a_scored_batch_whose_partition_is_lost_while_it_waits_is_scored_again_without_it() -> None:
    held = ("batch", "score", "serve", "commit", "lose 1")
    loop = Loop(*TURN, *held, "acknowledge", "commit", "keep_alive", "score", "publish")
    with patch.object(pipeline, "SLOW_WRITE_SECONDS", 0.5):
        loop.run()
    assert loop.delivery.written == {0: 4, 1: 2, 2: 4}
    assert loop.scored == 3


def test_a_stop_while_a_scored_batch_waits_for_room_abandons_it() -> None:
    loop = Loop(*TURN, "batch", "score", "serve", "stop")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)


ACKNOWLEDGED = ("acknowledge", "commit")
TWO = ("batch", "decode", "batch", "decode")  # one batch in hand, and one ahead


def test_the_next_batch_is_looked_up_while_the_current_one_is_scored_and_published_after_it() -> None:
    loop = Loop(*TWO, "look up", "publish", *ACKNOWLEDGED, "nothing", "look up", "publish", looks_up=True)
    loop.run()
    first, second = [[(partition, offset) for partition in PARTITIONS for offset in pair] for pair in ((0, 1), (2, 3))]
    assert loop.sent == [first, second]
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 4)


def test_nothing_is_polled_or_sent_ahead_without_a_backlog() -> None:
    loop = Loop("batch", "decode", "look up", "publish", *ACKNOWLEDGED, "nothing", looks_up=True)
    loop.source.backlog = False
    loop.run()
    assert loop.sent == []
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)


@pytest.mark.parametrize("change", ["revoke 1", "lose 1"])
def test_a_partition_that_goes_while_the_next_batch_is_polled_leaves_the_current_one(change: str) -> None:
    loop = Loop("batch", "decode", change, "decode", "look up", "publish", looks_up=True)
    loop.run()
    assert loop.delivery.written == {0: 2, 2: 2}
    assert loop.sent == [[(partition, offset) for partition in PARTITIONS for offset in (0, 1)]]


def test_a_partition_that_goes_while_the_current_batch_waits_leaves_the_next_one() -> None:
    waits = ("unavailable", "lose 1", "decode", "look up", "publish", "serve", "commit", "acknowledge")
    loop = Loop(*TWO, *waits, "decode", "nothing", "look up", "publish", mode=ExactlyOnce, looks_up=True)
    loop.run()
    assert loop.delivery.written == {0: 4, 2: 4}


def test_a_batch_polled_ahead_loses_the_same_partitions_under_a_new_model_without_look_ups() -> None:
    waits = ("unavailable", "lose 1", "decode", "plain model", "publish", "serve", "commit", "acknowledge")
    loop = Loop(*TWO, *waits, "decode", "look up", "publish", looks_up=True)
    loop.run()
    assert loop.delivery.written == {0: 4, 2: 4}


def test_a_batch_is_not_polled_ahead_of_one_that_was_aborted() -> None:
    loop = Loop(
        *TWO, "look up", "aborted", "keep_alive", "decode", "look up", "publish", mode=ExactlyOnce, looks_up=True
    )
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 2)


def test_the_loop_waits_for_lagging_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "CATCH_UP_SECONDS", -1.0)  # told at once
    turn = ("batch", "score", "publish", "acknowledge", "commit")
    loop = Loop(*turn, *turn, "batch", "score", "commit", "keep_alive", "commit", "confirm", "publish")
    loop.run()
    assert loop.delivery.written == dict.fromkeys(PARTITIONS, 6)
    assert any(component is Component.WRITES and reason for component, reason in loop.watch.told)


@pytest.mark.parametrize("steps", [("batch", "unavailable", "stop"), ("batch", "score", "aborted", "stop")])
def test_a_stop_while_a_batch_waits_abandons_it(steps: tuple[str, ...]) -> None:
    loop = Loop(*steps, mode=ExactlyOnce)
    loop.run()
    assert loop.delivery.written == {}


def test_a_refused_write_ends_the_loop() -> None:
    loop = Loop("batch", "score", "fatal")
    with pytest.raises(Fatal, match="refused"):
        loop.run()
    assert loop.delivery.written == {}
