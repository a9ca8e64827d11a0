"""A batch waits for a few times the cost of a batch, and outliers do not change that."""

from collections.abc import Iterator

import pytest

from scorer.kafka.consume.pace import COSTS, Pace
from scorer.settings import BatchSettings


class Processor:
    """A clock of processor seconds, which the test advances."""

    def __init__(self) -> None:
        self.spent = 0.0

    def __call__(self) -> float:
        return self.spent


def paced(mode: str = "adaptive", max_wait_ms: int = 20) -> tuple[Pace, Processor]:
    processor = Processor()
    return Pace(BatchSettings.model_validate({"mode": mode, "max_wait_ms": max_wait_ms}), processor), processor


def waits(costs: list[float], max_wait_ms: int = 20) -> Iterator[float]:
    pace, processor = paced(max_wait_ms=max_wait_ms)
    for cost in costs:
        pace.batch_started()
        processor.spent += cost
        pace.batch_done()
        processor.spent += 1.0  # work between batches is not part of their cost
        pace.batch_done()
        yield pace.wait_seconds


def test_a_fixed_batch_waits_for_the_maximum_time() -> None:
    pace, processor = paced("fixed")
    pace.batch_started()
    processor.spent += 0.001
    pace.batch_done()
    assert pace.wait_seconds == 0.02


def test_a_batch_waits_for_a_multiple_of_its_cost() -> None:
    assert list(waits([0.001, 0.002, 0.001])) == pytest.approx([COSTS * cost for cost in (0.001, 0.00105, 0.001)])


def test_a_batch_waits_no_longer_than_the_maximum_time() -> None:
    assert list(waits([1.0, 2.0])) == [0.02, 0.02]
    assert list(waits([0.001], max_wait_ms=0)) == [0.0]


def test_the_first_batch_does_not_wait() -> None:
    pace, _ = paced()
    pace.batch_done()
    assert pace.wait_seconds == 0.0


def test_the_cost_of_batches_is_relearned_when_it_changes() -> None:
    dearer = list(waits([0.001] + [0.004] * 40))
    assert dearer[1] < 0.0045
    assert dearer[-1] == pytest.approx(COSTS * 0.004)
