"""The vocabulary of a batch: small frozen records of arrays, where a row is an index.

Unless its comment says otherwise, every array has one item for each row of the batch, in the order of the records.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from itertools import accumulate
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scorer.made_often import made_often

NO_TIME = -(2**63)  # in `Events.time`: neither the event nor its record has a time
NO_SLOT = -1  # in `Found.slots`: the row has no key, because a field of the key is null
NO_COLUMN = -1  # in `Explanations.columns`: no further column contributed
# A NaN of the matrix that is no missing value, but a category that the plan does not have. A model takes it as any NaN.
UNKNOWN_BITS = 0x7FE00000
UNKNOWN_CATEGORY = float(np.uint32(UNKNOWN_BITS).view(np.float32))
NO_TOPIC = -1  # in `Origin.topic`: the row did not come from a topic


class Reason(StrEnum):
    """Why a record cannot be scored: the reason codes of dead letters."""

    EMPTY = "empty"
    TOO_LARGE = "too-large"
    BAD_FRAMING = "bad-framing"
    UNKNOWN_SCHEMA = "unknown-schema"
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing-bytes"
    BAD_VALUE = "bad-value"
    NO_FEATURES = "no-features"
    MODEL_ERROR = "model-error"
    UNWRITABLE = "unwritable"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be scored, and the reason; `detail` says what was found, where, and what was expected."""

    row: int
    reason: Reason
    detail: str
    version: str = ""  # of the model that would have scored it; empty if no arm was chosen


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where the rows of a batch came from."""

    topics: tuple[str, ...]  # the names that `topic` indexes; empty if the rows did not come from topics
    topic: NDArray[np.int32]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Origin":
        """Return the origin of some rows."""
        return Origin(self.topics, self.topic[rows], self.partition[rows], self.offset[rows])


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Records as Kafka delivered them: raw bytes and where they came from."""

    topics: tuple[str, ...]  # the names that `topic` indexes
    topic: NDArray[np.int32]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    timestamp: NDArray[np.int64]  # milliseconds since the epoch, below 0 if the record has none
    keys: Sequence[bytes | None]
    data: NDArray[np.uint8]  # [bytes]: all values, concatenated; a null value has no bytes
    ends: NDArray[np.int64]  # where each value ends in `data`
    originals: Sequence[object] = ()  # the client's messages, for dead letters and headers; opaque outside kafka/
    generation: int = 0  # the number of the assignment under which the records were read
    membership: object = None  # the group metadata, sent with the offsets of a transaction

    @classmethod
    def numbered(cls, rows: int, first: int = 0) -> Self:
        """Return records that did not come from a topic, without values, with offsets from `first` on."""
        return cls._outside(first, np.empty(0, np.uint8), np.zeros(rows, np.int64))

    @classmethod
    def of(cls, values: Sequence[bytes], first: int = 0, originals: Sequence[object] = ()) -> Self:
        """Return records for values that did not come from a topic, with offsets from `first` on."""
        ends = np.fromiter(accumulate(map(len, values)), np.int64, len(values))
        return cls._outside(first, np.frombuffer(b"".join(values), np.uint8), ends, originals)

    @classmethod
    def _outside(
        cls, first: int, data: NDArray[np.uint8], ends: NDArray[np.int64], originals: Sequence[object] = ()
    ) -> Self:
        """Return records that did not come from a topic."""
        rows = len(ends)
        nowhere = np.full(rows, NO_TOPIC, np.int32)
        return cls(
            topics=(),
            topic=nowhere,
            partition=nowhere,
            offset=np.arange(first, first + rows),
            timestamp=np.full(rows, NO_TIME),
            keys=[None] * rows,
            data=data,
            ends=ends,
            originals=originals,
        )

    @property
    def origin(self) -> Origin:
        """Where the records came from."""
        return Origin(self.topics, self.topic, self.partition, self.offset)

    def __len__(self) -> int:
        return len(self.ends)


class Kind(IntEnum):
    """The kind of an event field, which decides what its column has in `values`."""

    INTEGER = 0  # int, long                     int64
    FLOAT = 1  # float, double                   float64
    BOOLEAN = 2  # boolean                       int64, 0 or 1
    TEXT = 3  # string, uuid                     empty; the text is in `starts` and `ends`
    ENUM = 4  # enum                             int64, the symbol's index
    DATE = 5  # date                             int64, days since the epoch
    TIME = 6  # time-millis, time-micros         int64, ticks since midnight
    TIMESTAMP = 7  # timestamp-*                 int64, ticks since the epoch, UTC
    DECIMAL = 8  # decimal, of bytes or fixed    float64, the nearest to its value
    BYTES = 9  # bytes, fixed without a logical type: allowed in the schema, but cannot be used


@dataclass(frozen=True, slots=True)
class Field:
    """One event field of the schema, addressed by its dotted path."""

    path: str
    kind: Kind
    nullable: bool = False  # the field, or a record around it, may be null
    ticks: int = 1  # per second, for TIME and TIMESTAMP: 1_000, 1_000_000 or 1_000_000_000
    symbols: tuple[str, ...] = ()  # for ENUM


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One event field for every row. The value of a null row is unspecified."""

    field: Field
    null: NDArray[np.bool_]
    values: NDArray[np.int64] | NDArray[np.float64]  # see Kind; no items for TEXT
    starts: NDArray[np.int64] | None = None  # the field's text is Events.data[start:end], if text was requested
    ends: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> "Column":
        """Return the values of some rows."""
        starts, ends = (None if each is None else each[rows] for each in (self.starts, self.ends))
        return Column(self.field, self.null[rows], self.values[rows] if len(self.values) else self.values, starts, ends)


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Decoded events, one column per field that the model uses."""

    rows: int
    columns: Mapping[str, Column]  # by dotted path
    data: NDArray[np.uint8]  # [bytes]: the bytes that the texts are slices of
    id_starts: NDArray[np.int64]  # the event's id is data[id_start:id_end], UTF-8
    id_ends: NDArray[np.int64]
    time: NDArray[np.int64]  # the event's time, milliseconds since the epoch, or NO_TIME
    origin: Origin
    rejected: Sequence[Rejected] = ()
    keys: Sequence[bytes | None] = ()  # the records' keys; empty if no row has one

    def take(self, rows: NDArray[np.int64], paths: Collection[str], *, named: bool = True) -> "Events":
        """Return some rows that are not rejected, with some columns and without keys, as a batch.

        Args:
            rows: which rows.
            paths: the columns.
            named: with the ids of the events, their times and origins; otherwise these have no items.
        """
        own = rows if named else rows[:0]
        return Events(
            rows=len(rows),
            columns={path: self.columns[path].take(rows) for path in paths},
            data=self.data,
            id_starts=self.id_starts[own],
            id_ends=self.id_ends[own],
            time=self.time[own],
            origin=self.origin.take(own),
        )


class Lookup(IntEnum):
    """The result of one entity's look-up; the metric's label is the lower-case name."""

    HIT = 0
    MISSING = 1
    STALE = 2
    INVALID = 3
    UNAVAILABLE = 4


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The features of one entity, with one line for each distinct key of the batch."""

    entity: str
    slots: NDArray[np.int32]  # [rows]: the line of each row's key, or NO_SLOT
    values: NDArray[np.float64]  # [keys, fields]
    absent: NDArray[np.bool_]  # [keys, fields]: missing or not a number
    results: NDArray[np.uint8]  # [keys]: a Lookup each
    keys: Sequence[bytes] = ()  # [keys]: the keys that were looked up
    reused: int | None = None  # how many keys the cache answered; None without a cache

    def take(self, rows: NDArray[np.int64]) -> "Found":
        """Return the features of some rows; the keys stay."""
        return replace(self, slots=self.slots[rows])


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """The booster's input, and which entities were missing."""

    values: NDArray[np.float32]  # [rows, columns], NaN where missing; all NaN in rejected rows
    missing: NDArray[np.bool_]  # [rows, entities]: missing, stale, invalid or unavailable
    degraded: bool = False  # assembled while features were unavailable
    lookups: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, len(Lookup)), np.int64)
    )  # [entities, Lookup]: how many rows had this result
    rejected: Sequence[Rejected] = ()
    foreign: NDArray[np.bool_] | None = None  # [rows]: of arms with another plan than the champion's, all NaN; or none


ScoreArray: TypeAlias = NDArray[np.floating[Any]]  # float32 or float64, as the model's library gives it


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The model's output, as its library gave it."""

    values: ScoreArray  # [rows] or [rows, classes]
    rejected: Sequence[Rejected] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Explanations:
    """What the columns contributed most to the margins of some rows, with one line for each row that is explained."""

    names: tuple[str, ...]  # of the columns of the model
    slots: NDArray[np.int32]  # [rows]: the line of each row, or NO_SLOT
    columns: NDArray[np.int32]  # [lines, top]: indexes of `names`, the largest contribution first; then NO_COLUMN
    values: NDArray[np.float64]  # [lines, top]: what the model saw, NaN where missing
    contributions: NDArray[np.float64]  # [lines, top]: to the margin


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The predictions of a batch as columns. Every writer of predictions takes its fields from here."""

    rows: NDArray[np.int64]  # [predictions]: the rows that were scored, ascending; the other arrays have all rows
    data: NDArray[np.uint8]  # [bytes]: the bytes that the event ids are slices of
    id_starts: NDArray[np.int64]  # the event's id is data[id_start:id_end], UTF-8
    id_ends: NDArray[np.int64]
    scores: ScoreArray  # [rows] or [rows, outputs]
    model: str
    arms: tuple[tuple[str, str], ...]  # the version and the name of each arm
    arm: NDArray[np.uint8]  # the index of each row's arm
    entities: tuple[str, ...]  # the names of the columns of `missing`
    missing: NDArray[np.bool_]  # [rows, entities]: missing, stale, invalid or unavailable
    degraded: bool  # scored while features were unavailable
    origin: Origin
    event_time: NDArray[np.int64]  # milliseconds since the epoch
    scored_at: int  # milliseconds since the epoch
    explanations: Explanations | None = None  # None if no row asks for one


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of scoring a batch: each row is either predicted or rejected."""

    predictions: Predictions
    rejected: Sequence[Rejected]
    matrix: Matrix
    found: Sequence[Found]  # one for each entity
    undecoded: int = 0  # how many of `rejected`, the first ones, no version could have scored
    seconds: Sequence[float] = ()  # [arms]: the time for the rows of each; empty if it was not measured


@dataclass(frozen=True, slots=True, eq=False)
class Payloads:
    """Encoded predictions of the rows that were scored, concatenated in one buffer."""

    rows: NDArray[np.int64]  # [predictions]: the row of each, ascending
    data: bytes
    ends: NDArray[np.int64]  # [predictions]: where each ends in `data`
    ordinary: int = 0  # the most bytes that a prediction takes without its event's id; 0 if unknown
    versions: tuple[str, ...] = ()  # the version of each arm; empty if unknown
    arm: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))  # the arm of each row of the batch

    def version(self, row: int) -> str:
        """Return the version that scored a row of the batch; empty if that is unknown."""
        return self.versions[self.arm[row]] if self.versions else ""
