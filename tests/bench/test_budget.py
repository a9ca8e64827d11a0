"""What is read out of /metrics."""

import numpy as np
import pytest

from scorer.batch import Lookup
from scorer.bench.budget import ROWS, Budget, Reading
from scorer.monitor import Metrics, stages
from scorer.monitor.stages import OUTSIDE, REST
from tests.monitor.batches import batch


class Clocks:
    """The clock, that of the loop's processor at half its pace, and that of all threads at twice."""

    seconds = 0.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(stages, "perf_counter", lambda: made.seconds)
    monkeypatch.setattr(stages, "thread_time", lambda: made.seconds / 2)
    monkeypatch.setattr(stages, "process_time", lambda: made.seconds * 2)
    return made


def read(metrics: Metrics) -> Reading:
    return Reading.parse(metrics.render("text/plain")[0].decode())


def test_a_budget_is_of_the_batches_between_two_readings(clocks: Clocks) -> None:
    metrics = Metrics()
    with metrics.stages.decode:
        clocks.seconds += 50
    metrics.turned(batch(7))
    before = read(metrics)
    with metrics.stages.decode:
        clocks.seconds += 2
    with metrics.stages.score:
        clocks.seconds += 6
    clocks.seconds += 1
    metrics.turned(batch(2))
    budget = Budget.between(before, read(metrics))
    assert budget.events == 2
    assert {stage: wall for stage, wall in budget.wall.items() if wall} == {"decode": 1e6, "score": 3e6, REST: 5e5}
    assert {stage: cpu for stage, cpu in budget.cpu.items() if cpu} == {
        "decode": 5e5, "score": 15e5, REST: 25e4, OUTSIDE: 675e4
    }  # fmt: skip
    assert (budget.all_wall, budget.all_cpu) == (45e5, 9e6)
    assert budget.limit == "score"
    assert list(budget.cpu) == list(budget.wall) == list(ROWS)


def test_what_is_not_told_yet_is_nothing() -> None:
    reading = Reading.parse("")
    assert (reading.begun, reading.done, reading.hits) == (0, 0, None)


def test_events_and_hits_are_those_of_the_metrics() -> None:
    metrics = Metrics(["plane", "weather"])
    assert read(metrics).hits is None
    counts = np.zeros((2, len(Lookup)), np.int64)
    counts[:, Lookup.HIT] = 4, 2
    counts[1, Lookup.MISSING] = 2
    metrics.lookups(counts)
    metrics.turned(batch(4))
    metrics.acknowledged(2, [])
    reading = read(metrics)
    assert (reading.begun, reading.done, reading.hits) == (4, 2, 0.75)
