"""What every framing can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.avro.grammar import Link, Type
from scorer.avro.reading import Fault
from scorer.batch import Records


class Written(NamedTuple):
    """The schema of a writer."""

    kind: Type | Link
    name: str  # what errors call it


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Where the bodies of a batch are, and who wrote them."""

    starts: NDArray[np.int64]  # [rows]: where each begins in the data, or a Fault
    writers: NDArray[np.int32]  # [rows]: which of the framing's writers; of no meaning where there is a fault
    notes: Mapping[int, str] = field(default_factory=dict)  # by row, what is wrong with it in words


class Framing(Protocol):
    """Finds the body in each value of a batch, and the schema that it was written with."""

    @property
    def name(self) -> str:
        """As the settings have it."""

    @property
    def header(self) -> bytes:
        """What stands before each body that is written with this framing."""

    @property
    def writers(self) -> Sequence[Written]:
        """The writers' schemas so far, the first of them the reader's own. More are added behind the last."""

    def split(self, records: Records) -> Bodies:
        """Find the bodies of a batch.

        Raises:
            Unavailable: a writer's schema is not known yet, and cannot be had now.
        """

    def explain(self, fault: Fault, value: bytes) -> str:
        """Say what is wrong with the framing of a value of which `Bodies` has no note."""


def begins(records: Records) -> NDArray[np.int64]:
    """Return where each value of a batch begins."""
    stops = records.ends
    out = np.empty(len(stops), np.int64)
    out[:1], out[1:] = 0, stops[:-1]
    return out
