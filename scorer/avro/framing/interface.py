"""The interface of a framing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.avro.program.reading import Fault
from scorer.avro.types.grammar import Link, Type
from scorer.batch import Records
from scorer.made_often import made_often


class Written(NamedTuple):
    """A writer's schema."""

    kind: Type | Link
    name: str  # its name in errors


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Where the bodies of a batch begin, and which schemas they were written with."""

    starts: NDArray[np.int64]  # [rows]: where each body begins in the data, or a Fault
    writers: NDArray[np.int32]  # [rows]: index into the framing's `writers`; meaningless if there is a fault
    notes: Mapping[int, str] = field(default_factory=dict)  # by row: a description of its fault


class Framing(Protocol):
    """Finds the body in each value of a batch, and the schema that it was written with."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    @property
    def header(self) -> bytes:
        """The bytes before each body that is written with this framing."""

    @property
    def writers(self) -> Sequence[Written]:
        """The writers' schemas so far, in order of appearance; the first is the reader's own."""

    def split(self, records: Records) -> Bodies:
        """Find the bodies of a batch.

        Raises:
            Unavailable: a writer's schema is not known yet, and cannot be fetched now.
        """

    def explain(self, fault: Fault, value: bytes) -> str:
        """Describe a fault in the framing of a value for which `Bodies` has no note."""


def begins(records: Records) -> NDArray[np.int64]:
    """Return where each value of a batch begins."""
    stops = records.ends
    out = np.empty(len(stops), np.int64)
    out[:1], out[1:] = 0, stops[:-1]
    return out
