from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import stages, timed
from benchmarks.timed import OUTSIDE, REST, Stopwatches, Watched
from scorer.batch import Records


def records(rows: int) -> Records:
    ints = np.zeros(rows, np.int64)
    return Records(("t",), ints.astype("i4"), ints.astype("i4"), ints, ints, [None] * rows, np.zeros(0, np.uint8), ints)


class Clock:
    """The clock goes by what is spent, this thread's processor by half of it, all threads' together like the clock."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def spend(self, seconds: float) -> Callable[[], None]:
        def spend() -> None:
            self.seconds += seconds

        return spend


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timed, "perf_counter", lambda: made.seconds)
    monkeypatch.setattr(timed, "thread_time", lambda: made.seconds / 2)
    monkeypatch.setattr(timed, "process_time", lambda: made.seconds)
    return made


def wall(watch: Stopwatches) -> dict[str, float]:
    return {stage: took[1] for stage, took in watch.stages.items() if stage != OUTSIDE}


def test_a_stage_is_charged_without_what_it_calls(clock: Clock) -> None:
    watch = Stopwatches()
    inner, outer_only = watch.timed("inner", clock.spend(5)), clock.spend(2)

    def outer() -> None:
        outer_only()
        inner()
        inner()

    polled = iter([records(3), records(4), None])
    poll = watch.turning(watch.timed("consume", lambda: next(polled)))
    for _ in range(2):
        poll()
        watch.timed("outer", outer)()
        clock.spend(3)()
    poll()
    assert watch.events == 7
    assert wall(watch) == {"consume": 0, "outer": 4, "inner": 20, REST: 6}


def test_a_turn_without_records_costs_nothing(clock: Clock) -> None:
    watch = Stopwatches()
    polled = iter([None, records(1), None])
    poll = watch.turning(lambda: next(polled))
    for _ in range(3):
        poll()
        watch.timed("serve", clock.spend(2))()
    assert watch.events == 1
    assert wall(watch) == {"serve": 2, REST: 0}


def test_what_fails_is_measured_and_fails(clock: Clock) -> None:
    watch = Stopwatches()

    def fail() -> None:
        clock.spend(2)()
        raise LookupError

    poll = watch.turning(lambda: records(1))
    poll()
    with pytest.raises(LookupError):
        watch.timed("stage", fail)()
    poll()
    assert wall(watch)["stage"] == 2


def test_microseconds_an_event_with_those_of_the_clients_threads(clock: Clock) -> None:
    watch = Stopwatches()
    polled = iter([records(4), None])
    poll = watch.turning(lambda: next(polled))
    poll()
    watch.timed("decode", clock.spend(2))()
    poll()
    split = stages.split(watch.document())
    assert split == {"decode": (250_000, 500_000), REST: (0, 0), OUTSIDE: (250_000, 0)}


def test_a_part_keeps_what_is_not_measured() -> None:
    part = Watched("a text", upper=lambda: "measured")
    assert part.upper() == "measured"
    assert part.title() == "A Text"
