import time
from collections.abc import Callable

import pytest
import structlog

from scorer.monitor import Health, Outages, standstill


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stuck_loop_is_logged_once_and_so_is_its_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "LOOK_SECONDS", 0.01)
    now = [0.0]
    health = Health(30, clock=lambda: now[0])
    health.heartbeat()
    with structlog.testing.capture_logs() as told, standstill.watched(health, Outages(structlog.get_logger())):
        time.sleep(0.1)
        assert told == []
        now[0] = 31
        until(lambda: told)
        time.sleep(0.1)
        assert [(entry["event"], entry["component"]) for entry in told] == [("component unhealthy", "loop")]
        assert told[0]["reason"] == "last iteration 31.0 s ago, the limit is 30 s"
        health.heartbeat()
        until(lambda: len(told) == 2)
        assert (told[1]["event"], told[1]["component"]) == ("component recovered", "loop")
