"""A shadow scores on the side: whatever it does, the loop that offers it batches does not wait and does not fail."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scorer.avro import unframed
from scorer.replica.shadows import WAITING, ShadowArm
from scorer.rollout import Shadow
from tests.rollout.versions import Place, records

LIMIT_SECONDS = 60.0  # generous: the machine may be busy
BATCH = records(range(10))


class Watched:
    """A scorer that a test stops, or lets fail."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self.go, self.began = threading.Event(), threading.Event()
        self.fails = False

    def score(self, events: Any, now: float) -> Any:
        self.began.set()
        assert self.go.wait(LIMIT_SECONDS)
        if self.fails:
            raise RuntimeError("cannot")
        return self._scorer.score(events, now)


def shadow(place: Place, sample: float = 1.0) -> tuple[ShadowArm, Watched]:
    serving = place.serving("1")
    watched = Watched(serving.scorer(None, name="shadow"))

    class Stopped(ShadowArm):
        def _score(self, batch: Any) -> None:
            self._scorer: Any = watched
            super()._score(batch)

    return Stopped(Shadow(version="1", sample=sample), serving, unframed(serving.schema), place.outlet()), watched


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, which the shadow's thread makes true."""
    turn = threading.Event()
    for _ in range(int(LIMIT_SECONDS / 0.01)):
        if holds():
            return
        assert any(thread.name == "shadow-1" for thread in threading.enumerate()), "the shadow ended"
        turn.wait(0.01)
    raise AssertionError("not in time")


def has_written(place: Place, batches: int) -> bool:
    return len(place.writer.written) == batches


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_slow_shadow_keeps_nobody_waiting_and_says_what_it_dropped(place: Place) -> None:
    arm, watched = shadow(place)
    arm.offer(BATCH)
    assert watched.began.wait(LIMIT_SECONDS)

    def offer() -> None:
        for _ in range(WAITING + 3):
            arm.offer(BATCH)

    loop = threading.Thread(target=offer, daemon=True)
    loop.start()
    loop.join(LIMIT_SECONDS / 4)
    assert not loop.is_alive(), "the loop waits for a shadow"
    assert place.counted == [("dropped", 10)] * 3
    watched.go.set()
    until(lambda: len(place.writer.written) == 1 + WAITING)
    arm.retire()


def test_a_failing_shadow_drops_the_batch_and_scores_the_next_one(place: Place) -> None:
    arm, watched = shadow(place)
    watched.fails = True
    watched.go.set()
    arm.offer(BATCH)
    until(lambda: place.counted == [("dropped", 10)])
    watched.fails = False
    arm.offer(BATCH)
    until(lambda: len(place.writer.written) == 1)
    assert place.writer.written[0].arms == (("1", "shadow"),)
    arm.retire()


def test_a_shadow_scores_its_sample_of_the_batches(place: Place) -> None:
    arm, watched = shadow(place, 0.25)
    watched.go.set()
    for offered in range(1, 9):
        arm.offer(BATCH)
        until(partial(has_written, place, offered // 4))
    assert not place.counted
    arm.retire()
