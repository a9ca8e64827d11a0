"""Clocks of the stages that go when told to."""

import pytest

from scorer.monitor import stages


class Clock:
    """The clock goes by what is spent, the processor of the loop by half of it, that of all threads by twice."""

    def __init__(self) -> None:
        self.seconds = 64.0

    def spend(self, seconds: float) -> None:
        self.seconds += seconds


def told(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have the stages go by a clock of the test's."""
    clock = Clock()
    monkeypatch.setattr(stages, "perf_counter", lambda: clock.seconds)
    monkeypatch.setattr(stages, "thread_time", lambda: clock.seconds / 2)
    monkeypatch.setattr(stages, "process_time", lambda: clock.seconds * 2)
    return clock
