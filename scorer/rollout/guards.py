"""What the guards of a canary allow: the `guards` of a roll-out state."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Window(_Form):
    """How long sums are added up before they start at 0 again.

    events:  the most events, of all arms on all replicas.
    seconds: the longest time since the first sums of the window.
    """

    events: Annotated[int, Field(ge=1_000, le=10_000_000)] = 100_000
    seconds: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = 600.0


class Guards(_Form):
    """When a canary is withdrawn. Each limit may be null: that guard is then off.

    window:       the sums that are judged.
    least:        the events that a canary must have scored in the window before it is judged.
    dead_letters: by how much its ratio of errors may exceed that of the champion, 0 to 1. An error is a dead letter, or
                  a score that is not a finite number.
    latency:      how many times the champion's time for an event it may take.
    psi:          the population stability index of its scores against the champion's.
    """

    window: Window = Window()
    least: Annotated[int, Field(ge=30, le=1_000_000)] = 100
    dead_letters: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = 0.01
    latency: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = 3.0
    psi: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 0.25

    def document(self) -> dict[str, Any]:
        """Return the guards as plain values."""
        return self.model_dump(mode="json")
