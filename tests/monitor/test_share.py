import pytest

from scorer.monitor.share import LONGEST_PAUSE_SECONDS, Share


class Time:
    """Two clocks that are moved by hand."""

    def __init__(self) -> None:
        self.worked = self.now = 0.0

    def work(self, seconds: float) -> None:
        self.worked += seconds
        self.now += seconds


def test_a_thread_that_takes_its_pauses_stays_within_its_share() -> None:
    time = Time()
    share = Share(0.05, 0.1, lambda: time.worked, lambda: time.now)
    for _ in range(1_000):
        time.work(0.002)
        time.now += share.pause()
    assert time.worked / time.now == pytest.approx(0.05, rel=0.1)


def test_saved_time_is_used_without_a_pause_up_to_a_limit() -> None:
    time = Time()
    share = Share(0.05, 0.1, lambda: time.worked, lambda: time.now)
    time.now += 3_600
    pauses = []
    for _ in range(12):
        time.work(0.01)
        pauses.append(share.pause())
    assert pauses[:10] == [0.0] * 10
    assert 0 < pauses[11] <= LONGEST_PAUSE_SECONDS


def test_no_pause_is_longer_than_a_probe_waits() -> None:
    time = Time()
    share = Share(0.05, 0.1, lambda: time.worked, lambda: time.now)
    time.work(10.0)
    assert share.pause() == LONGEST_PAUSE_SECONDS
