"""Budgets computed from /metrics."""

import numpy as np
import pytest

from scorer.batch import Lookup
from scorer.bench.budget import ROWS, Budget, Scrape
from scorer.monitor import Metrics, stages
from scorer.monitor.stages import OUTSIDE, REST
from tests.monitor.batches import batch
from tests.monitor.clocks import Clock, told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(stages, "MEASURED_EVERY", 1)
    return told(monkeypatch)


def read(metrics: Metrics) -> Scrape:
    return Scrape.parse(metrics.render("text/plain")[0].decode())


def test_a_budget_covers_the_batches_between_two_readings(clock: Clock) -> None:
    metrics = Metrics()
    with metrics.stages.stage("decode"):
        clock.spend(50)
    metrics.iteration_ended(batch(7))
    before = read(metrics)
    with metrics.stages.stage("decode"):
        clock.spend(2)
    with metrics.stages.stage("score"):
        clock.spend(6)
    clock.spend(1)
    metrics.iteration_ended(batch(2))
    budget = Budget.between(before, read(metrics))
    assert budget.events == 2
    assert {stage: wall for stage, wall in budget.wall.items() if wall} == {"decode": 1e6, "score": 3e6, REST: 5e5}
    assert {stage: cpu for stage, cpu in budget.cpu.items() if cpu} == {
        "decode": 5e5, "score": 15e5, REST: 25e4, OUTSIDE: 675e4
    }  # fmt: skip
    assert (budget.all_wall, budget.all_cpu) == (45e5, 9e6)
    assert budget.limit == "score"
    assert list(budget.cpu) == list(budget.wall) == list(ROWS)


def test_a_missing_sample_counts_as_zero() -> None:
    reading = Scrape.parse("")
    assert (reading.begun, reading.done, reading.hits) == (0, 0, None)


def test_events_and_hits_are_read_from_the_metrics() -> None:
    metrics = Metrics(["plane", "weather"])
    assert read(metrics).hits is None
    counts = np.zeros((2, len(Lookup)), np.int64)
    counts[:, Lookup.HIT] = 4, 2
    counts[1, Lookup.MISSING] = 2
    metrics.lookups(counts)
    metrics.iteration_ended(batch(4))
    metrics.acknowledged(2, [])
    reading = read(metrics)
    assert (reading.begun, reading.done, reading.hits) == (4, 2, 0.75)
