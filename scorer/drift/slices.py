"""Slices: the counts of one replica for one partition between two offsets, as records of the monitor topic."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_TEXT = 1_000_000  # characters of packed counts
COUNTS, BASELINES, HOURS = "counts", "baseline", "hours"  # kinds of records

_SIZES = (1, 2, 4)  # bytes of a count
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Packed = Annotated[str, Field(max_length=MOST_TEXT)]
_Name = Annotated[str, Field(max_length=1_000)]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The counts of a partition's events from offset `first` up to, but without, `next`.

    topic:     the topic.
    partition: the partition.
    first:     the first offset; if this replica counted the previous slice, the `next` of that.
    next:      the offset after the last one.
    events:    the number of events that were scored, and so counted.
    rejected:  the number of dead letters.
    baseline:  the id of the baseline that defines the bins; empty, with no counts, while there is no baseline.
    counts:    int64 [bins], the counts of the columns.
    arms:      int64 [bins], the counts of each arm's scores, by VERSION/NAME.
    foreign:   the number of events of arms with other columns, of which only the scores are counted.
    """

    topic: str
    partition: int
    first: int
    next: int
    events: int
    rejected: int
    baseline: str
    counts: NDArray[np.int64]
    arms: Mapping[str, NDArray[np.int64]]
    foreign: int = 0

    def document(self) -> dict[str, object]:
        """Return the slice as plain JSON."""
        arms = {name: packed(counts) for name, counts in self.arms.items()}
        return {
            "form": 1,
            "topic": self.topic,
            "partition": self.partition,
            "first": self.first,
            "next": self.next,
            "events": self.events,
            "rejected": self.rejected,
            "foreign": self.foreign,
            "baseline": self.baseline,
            "counts": packed(self.counts),
            "arms": arms,
        }


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)  # unknown keys are ignored: a later version may have more

    form: Annotated[int, Field(ge=1, le=1)]
    topic: _Name
    partition: Annotated[int, Field(ge=0)]
    first: _Count
    next: _Count
    events: _Count
    rejected: _Count
    foreign: _Count = 0
    baseline: _Name
    counts: _Packed
    arms: dict[_Name, _Packed]


def read_slice(document: object) -> Slice | None:
    """Return the slice in a record; None if it has another form."""
    try:
        form = _Form.model_validate(document)
    except ValidationError:
        return None
    if form.next <= form.first:
        return None
    try:
        counts, arms = unpacked(form.counts), {name: unpacked(each) for name, each in form.arms.items()}
    except ValueError:
        return None
    place = form.topic, form.partition, form.first, form.next
    return Slice(*place, form.events, form.rejected, form.baseline, counts, arms, form.foreign)


def packed(counts: NDArray[np.int64]) -> str:
    """Return counts as text: the bytes of each count, a colon, and all counts little-endian in base64."""
    size = next(each for each in _SIZES if not len(counts) or counts.max() < 256**each)
    return f"{size}:{b64encode(counts.astype(f'<u{size}').tobytes()).decode()}"


def unpacked(text: str) -> NDArray[np.int64]:
    """Return the counts in a text, int64.

    Raises:
        ValueError: the text is not from `packed`.
    """
    size, _, rest = text.partition(":")
    if size not in set(map(str, _SIZES)):
        raise ValueError("expected the size of a count")
    return np.frombuffer(b64decode(rest, validate=True), f"<u{size}").astype(np.int64)
