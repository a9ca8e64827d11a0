"""The outcomes of each arm of a replica in a window: sums that add up over replicas, and their record in the log."""

import json
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from scorer.rollout.state import Line, StrictForm

MOST_BINS = 100
KEY_CELLS = 128  # cells of the sketch: the error of the sum of squares is then an eighth
MOST = 2**53  # the largest number in a record, so that sums over all replicas can still be divided
Count = Annotated[int, Field(ge=0, le=MOST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class ArmSums:
    """The sums of one arm.

    events:  events that it scored, or tried to.
    alone:   events without a key; each counts as a key of its own.
    keys:    a sketch of the number of events per key, in which each key adds its events to one of these cells or
             subtracts them from it. It adds up over replicas even if several get the same key. Empty without keys.
    failed:  events that became dead letters, or have a score that is not finite.
    calls:   batches that contained its events.
    slow:    calls that took too long.
    seconds: the duration of all calls.
    bins:    the number of scores in each bin; empty until the group has agreed on bins.
    """

    events: int = 0
    alone: int = 0
    keys: tuple[int, ...] = ()
    failed: int = 0
    calls: int = 0
    slow: int = 0
    seconds: float = 0.0
    bins: tuple[int, ...] = ()

    @property
    def independent(self) -> float:
        """The effective number of independent events, when all events of a key count as one (Kish)."""
        squares = self.alone + sum(cell**2 for cell in self.keys)  # expected: the squares of the events of each key
        return self.events**2 / max(squares, self.events) if self.events else 0.0

    @property
    def scored(self) -> int:
        """The number of scores in bins."""
        return sum(self.bins)

    def __add__(self, other: Self) -> "ArmSums":
        """Return the sums of both."""
        return ArmSums(
            self.events + other.events,
            self.alone + other.alone,
            _added(self.keys, other.keys),
            self.failed + other.failed,
            self.calls + other.calls,
            self.slow + other.slow,
            self.seconds + other.seconds,
            _added(self.bins, other.bins),
        )


def _added(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(some, others, strict=True))) if some and others else some or others


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one replica in the current window; each record replaces the one before.

    replica: the name of the replica.
    change:  the id of the last change of the roll-out state that the replica serves.
    window:  the number of the window since that change, from 0.
    number:  counts the records of the replica.
    edges:   the upper bounds of all bins but the last, ascending; empty if there are no bins yet.
    arms:    by version.
    """

    replica: str
    change: str
    window: int
    number: int
    edges: tuple[float, ...]
    arms: dict[str, ArmSums]

    def record(self, model: str) -> bytes:
        """Return the sums as a record's value."""
        arms = {
            version: {each.name: getattr(arm, each.name) for each in fields(arm)} for version, arm in self.arms.items()
        }
        own: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps({"model": model, "sums": own | {"arms": arms}}).encode()


class _ArmForm(StrictForm):
    events: Count
    alone: Count
    keys: Annotated[list[Annotated[int, Field(ge=-MOST, le=MOST)]], Field(max_length=KEY_CELLS)]
    failed: Count
    calls: Count
    slow: Count
    seconds: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
    bins: Annotated[list[Count], Field(max_length=MOST_BINS)]


class _SumsForm(StrictForm):
    replica: Line
    change: str
    window: Count
    number: Count
    edges: Annotated[list[Finite], Field(max_length=MOST_BINS - 1)]
    arms: dict[str, _ArmForm]


class _Form(StrictForm):
    model: str
    sums: _SumsForm


def read_sums(value: bytes | None, model: str) -> Sums | None:
    """Return the sums in a record; None if they are of another model or in an unknown form."""
    try:
        form = _Form.model_validate_json(value or b"")
    except ValidationError:
        return None
    arms, bins = form.sums.arms, len(form.sums.edges) + 1
    shaped = all(len(arm.bins) in {0, bins} and len(arm.keys) in {0, KEY_CELLS} for arm in arms.values())
    counted = all(arm.failed <= arm.events and arm.slow <= arm.calls for arm in arms.values())
    if form.model != model or not shaped or not counted:
        return None
    own = form.sums.model_dump(exclude={"arms", "edges"})
    return Sums(**own, edges=tuple(form.sums.edges), arms={name: _arm(arm) for name, arm in arms.items()})


def _arm(form: _ArmForm) -> ArmSums:
    return ArmSums(**form.model_dump(exclude={"keys", "bins"}), keys=tuple(form.keys), bins=tuple(form.bins))
