"""Seconds of the stages, on clocks that go when told to."""

import pytest

from scorer.monitor import Metrics, stages
from scorer.monitor.stages import COUNTED_EVERY, IDLE, MEASURED_EVERY, OUTSIDE, REST, STAGES
from tests.monitor.batches import batch
from tests.monitor.clocks import Clock, told
from tests.monitor.test_metrics import samples


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return told(monkeypatch)


def wall(metrics: Metrics) -> dict[str, float]:
    """Seconds by the clock of each stage that took any."""
    return by_stage(metrics, "scorer_stage_seconds_sum")


def cpu(metrics: Metrics) -> dict[str, float]:
    """The same of the processor."""
    return by_stage(metrics, "scorer_stage_cpu_seconds_total")


def by_stage(metrics: Metrics, name: str) -> dict[str, float]:
    return {dict(labels)["stage"]: found for (of, labels), found in samples(metrics).items() if of == name and found}


def test_an_iteration_is_divided_among_its_stages_and_the_rest(clock: Clock) -> None:
    metrics = Metrics()
    with metrics.stages.stage("consume"):
        clock.spend(8)
    clock.spend(2)
    with metrics.stages.stage("decode"):
        clock.spend(4)
    with metrics.stages.stage("decode"):  # a second try
        clock.spend(4)
    clock.spend(16)
    metrics.iteration_ended(batch(3))
    assert wall(metrics) == {"consume": 8, "decode": 8, REST: 18}
    assert cpu(metrics) == {"consume": 4, "decode": 5, REST: 8, OUTSIDE: 51}  # what leads to a stage is counted with it


def test_every_stage_is_observed_once_a_batch(clock: Clock) -> None:
    metrics = Metrics()
    for _ in range(2):
        with metrics.stages.stage("score"):
            clock.spend(1)
        metrics.iteration_ended(batch(1))
    counts = by_stage(metrics, "scorer_stage_seconds_count")
    assert counts == dict.fromkeys((*STAGES, REST), 2)


def test_every_batch_is_counted_however_many_come_between_two_scrapes(clock: Clock) -> None:
    metrics = Metrics()
    for batches in (1, COUNTED_EVERY, 2 * COUNTED_EVERY + 3):
        before = by_stage(metrics, "scorer_stage_seconds_count").get("score", 0)
        for _ in range(batches):
            with metrics.stages.stage("score"):
                clock.spend(2)
            metrics.iteration_ended(batch(1))
        assert by_stage(metrics, "scorer_stage_seconds_count")["score"] == before + batches
        assert metrics.stages.spent()["score"] == (before + batches, 2 * (before + batches))


def test_an_iteration_without_a_batch_is_counted_as_idle(clock: Clock) -> None:
    metrics = Metrics()
    with metrics.stages.stage("consume"):
        clock.spend(8)
    metrics.iteration_ended(None)
    assert wall(metrics) == {}
    assert cpu(metrics) == {IDLE: 16}
    with metrics.stages.stage("consume"):
        clock.spend(2)
    metrics.iteration_ended(batch(1))
    assert wall(metrics) == {"consume": 2}
    assert cpu(metrics) == {"consume": 1, IDLE: 16, OUTSIDE: 3}


def test_a_failing_stage_is_measured_and_still_fails(clock: Clock) -> None:
    metrics = Metrics()

    def fail() -> None:
        clock.spend(2)
        raise LookupError

    with pytest.raises(LookupError), metrics.stages.stage("look_up"):
        fail()
    metrics.iteration_ended(batch(1))
    assert wall(metrics) == {"look_up": 2}


def test_all_cpu_time_is_counted(clock: Clock) -> None:
    metrics = Metrics()
    for turn, rows in enumerate([0, 5, 0, 7]):
        with metrics.stages.stage("consume"):
            clock.spend(turn)
        clock.spend(1)
        with metrics.stages.stage("commit"):
            clock.spend(turn)
        metrics.iteration_ended(batch(rows) if rows else None)
    assert sum(cpu(metrics).values()) == 2 * (clock.seconds - 64)


def test_the_cpu_time_of_an_unmeasured_iteration_is_divided_as_that_of_the_last_measured_one(clock: Clock) -> None:
    metrics = Metrics()
    for stage in ("score", *["encode"] * MEASURED_EVERY):
        with metrics.stages.stage("consume"):
            clock.spend(2)
        with metrics.stages.stage(stage):
            clock.spend(6)
        metrics.iteration_ended(batch(1))
        if stage == "score":
            metrics.iteration_ended(None)  # it has nothing to divide
    found = cpu(metrics)
    assert found["consume"] == MEASURED_EVERY + 1
    assert (found["score"], found["encode"]) == (3 * MEASURED_EVERY, 3)
    assert wall(metrics)["encode"] == 6 * MEASURED_EVERY


def test_what_happens_while_an_iteration_is_paused_is_outside(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on on another thread, whose processor's clock shows another time."""
    metrics = Metrics()
    clock.spend(2)
    metrics.stages.begin_iteration()
    with metrics.stages.stage("decode"):
        clock.spend(8)
    metrics.stages.pause()
    clock.spend(16)
    monkeypatch.setattr(stages, "thread_time", lambda: clock.seconds / 2 - 1_000)
    metrics.stages.resume()
    metrics.stages.stage("look_up").waited(16)
    with metrics.stages.stage("score"):
        clock.spend(4)
    metrics.iteration_ended(batch(1))
    assert wall(metrics) == {"decode": 8, "look_up": 16, "score": 4}
    assert cpu(metrics) == {"decode": 4, "score": 2, OUTSIDE: 4 + 56 - 6}
