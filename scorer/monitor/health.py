"""Whether the replica is alive, and whether it is ready: what its loop and its parts last said of themselves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scorer.redaction import redact


@dataclass(frozen=True, slots=True)
class Condition:
    """What one part of the replica last said of itself."""

    ok: bool
    detail: str


class Health:
    """The loop's heartbeat and the named conditions of its parts. Any thread may ask while the loop writes.

    A condition that must hold before the replica counts as ready is set to false, with why, when the part is made: one
    that nobody has named is not waited for.

    Args:
        limit_s: seconds that one turn of the loop may take.
        clock: seconds, monotonic.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._turned: float | None = None
        self._conditions: dict[str, Condition] = {}

    def heartbeat(self) -> None:
        """Note that the loop turned."""
        self._turned = self._clock()

    def set(self, name: str, ok: bool, detail: str) -> None:  # noqa: FBT001  reads as a sentence: redis, ok, why
        """Note what holds of one part, in words."""
        self._conditions[name] = Condition(ok, redact(detail))

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Say whether the loop turned within its limit; before its first turn it is starting, which is alive."""
        loop = self._loop()
        return loop.ok, {"live": loop.ok, "conditions": {"loop": loop.detail}}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Say whether the loop turns and every condition holds."""
        conditions = {"loop": self._loop(), **self._conditions}
        failed = [name for name, condition in conditions.items() if not condition.ok]
        ready = not failed and self._turned is not None
        return ready, {
            "ready": ready,
            "failed": failed,
            "conditions": {name: condition.detail for name, condition in conditions.items()},
        }

    def _loop(self) -> Condition:
        if self._turned is None:
            return Condition(ok=True, detail="starting: the loop has not turned yet")
        ago = self._clock() - self._turned
        return Condition(ago <= self._limit_s, f"turned {ago:.1f} s ago, the limit is {self._limit_s:g} s")
