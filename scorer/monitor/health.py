"""Liveness and readiness of the replica, from the last reports of its loop and its parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scorer.made_often import made_often
from scorer.security.redaction import redact


@made_often
@dataclass(frozen=True, slots=True)
class Condition:
    """The last report of one part of the replica."""

    ok: bool
    detail: str


class Health:
    """The loop's heartbeat and the named conditions of its parts. Any thread may read while the loop writes.

    A condition that must be true before the replica is ready has to be set to false when the part is created:
    readiness does not wait for conditions that were never set.

    Args:
        limit_s: seconds that one iteration of the loop may take.
        clock: seconds, monotonic.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._last_heartbeat: float | None = None
        self._conditions: dict[str, Condition] = {}

    def heartbeat(self) -> None:
        """Note that the loop began another iteration."""
        self._last_heartbeat = self._clock()

    def set(self, name: str, ok: bool, detail: str) -> None:  # noqa: FBT001  reads as a sentence: redis, ok, why
        """Set the condition of one part, with a detail for people."""
        self._conditions[name] = Condition(ok, detail)

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the last heartbeat is within the limit, and the page; a loop without one is alive."""
        loop = self._loop()
        return loop.ok, {"live": loop.ok, "conditions": {"loop": loop.detail}}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the loop is alive and every condition is true, and the page."""
        conditions = {"loop": self._loop(), **self._conditions}
        failed = [name for name, condition in conditions.items() if not condition.ok]
        ready = not failed and self._last_heartbeat is not None
        return ready, {
            "ready": ready,
            "failed": failed,
            "conditions": {name: redact(condition.detail) for name, condition in conditions.items()},
        }

    def _loop(self) -> Condition:
        if self._last_heartbeat is None:
            return Condition(ok=True, detail="starting: no iteration yet")
        ago = self._clock() - self._last_heartbeat
        return Condition(ago <= self._limit_s, f"last iteration {ago:.1f} s ago, the limit is {self._limit_s:g} s")
