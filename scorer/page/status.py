"""The status of a replica, which it publishes to the monitor topic once a second."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorer.monitor.metrics import END_TO_END_SECONDS

KIND = "status"
MOST = 2**53  # so that numbers of all replicas add up in what JSON and JavaScript can hold
Count = Annotated[int, Field(ge=0, le=MOST)]
Number = Annotated[float, Field(ge=-MOST, le=MOST)]
Whole = Annotated[int, Field(ge=-MOST, le=MOST)]


class Form(BaseModel):
    """A part of the record; fields of later versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class ArmStatus(Form):
    """An arm, and the events that it has scored."""

    name: str
    version: str
    events: Count = 0


class LetterStatus(Form):
    """The dead letters of one reason.

    count:   how many.
    place:   topic-partition-offset of the newest one; empty if it is not known.
    version: the version that would have scored it.
    at:      Unix seconds.
    """

    count: Count = 0
    place: str = ""
    version: str = ""
    at: Number = 0.0


class RecentStatus(Form):
    """A prediction.

    score:   the score, for several classes that of the most likely one; None if it is not finite.
    label:   the index of that class; None with a single score.
    columns: the columns that moved the score most, with their contributions to the margin; empty without explanations.
    """

    id: str
    score: float | None
    label: Count | None = None
    arm: str
    version: str
    at: Number
    columns: list[tuple[str, float]] = []


class StageStatus(NamedTuple):
    """The batches that passed a stage, and its seconds of wall time."""

    batches: Count
    seconds: Number


class Status(Form):
    """One replica at one moment. Counts start when the replica starts.

    replica:    its unique name; `name` is the one for people.
    time:       Unix seconds, by the replica's clock, as `started` is.
    outcomes:   records acknowledged, by outcome.
    latency:    the number of them that took at most each of END_TO_END_SECONDS, then the number of all.
    lag:        topic, partition and records not yet read, of each partition that it owns.
    features:   look-ups by entity and result.
    cache:      keys that the cache has answered, and those that it has not, by entity.
    why:        the conditions that keep it from being ready.
    memory:     bytes.
    cpu:        seconds since its start.
    in_flight:  batches that are not acknowledged.
    """

    form: Literal[1] = 1
    replica: str
    name: str
    host: str = ""
    pid: Count = 0
    group: str = ""
    model: str = ""
    scorer: str = ""
    started: Number = 0.0
    time: Number
    outcomes: dict[str, Count] = {}
    latency: Annotated[
        list[Count], Field(min_length=len(END_TO_END_SECONDS) + 1, max_length=len(END_TO_END_SECONDS) + 1)
    ]
    stages: dict[str, StageStatus] = {}
    lag: list[tuple[str, Whole, Whole]] = []
    arms: list[ArmStatus] = []
    rejected: dict[str, LetterStatus] = {}
    features: dict[str, dict[str, Count]] = {}
    cache: dict[str, tuple[Count, Count]] = {}
    ready: bool = False
    why: list[str] = []
    memory: Count = 0
    cpu: Number = 0.0
    in_flight: Count = 0
    rebalances: Count = 0
    recent: list[RecentStatus] = []

    def document(self) -> dict[str, Any]:
        """Return the status as JSON, without fields that have their default."""
        return {"form": self.form, **self.model_dump(exclude_defaults=True)}


def read_status(document: object) -> Status | None:
    """Return the status in a record; None if the record has another form."""
    try:
        return Status.model_validate(document)
    except ValidationError:
        return None


def added(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return the sums of rows of equal length."""
    return [sum(column) for column in zip(*rows, strict=True)]
