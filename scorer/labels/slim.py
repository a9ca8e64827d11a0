"""Slim records: the short form of predictions, labels and events in the state topic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

SEPARATOR = b"\0"  # between the texts of a tail
ID_BYTES = 8


class Slim(IntEnum):
    """The kinds of slim records; readers ignore unknown kinds."""

    PREDICTION = 1  # time: when it was scored; number: the score or the class; tail: version and arm
    LABEL = 2  # time: that of the label; number: the label; tail: the values of the segments, if the label has them
    SEGMENTS = 3  # tail: the values of the segments
    BAD_LABEL = 4  # tail: the reason, and an example


HEAD = np.dtype([("kind", "u1"), ("id", "<i8"), ("time", "<i8"), ("number", "<f8")])


@dataclass(frozen=True, slots=True, eq=False)
class Slims:
    """Slim records as columns, of the same length each."""

    kinds: NDArray[np.uint8]
    ids: NDArray[np.int64]
    times: NDArray[np.int64]  # milliseconds since the epoch
    numbers: NDArray[np.float64]
    tails: Sequence[bytes]


def short_id(event_id: bytes) -> bytes:
    """Return eight bytes for an event's id, the same everywhere and for ever.

    Among ten million events of a partition, the chance that any two have the same is three in a million.
    """
    return blake2b(event_id, digest_size=ID_BYTES).digest()


def encode(
    kind: Slim, ids: Sequence[bytes], times: NDArray[np.int64], numbers: NDArray[np.float64], tails: Iterable[bytes]
) -> list[bytes]:
    """Return the values of records of one kind.

    Args:
        kind: the kind of all.
        ids: the short id of each.
        times: int64 [records], milliseconds since the epoch.
        numbers: float64 [records].
        tails: the texts of each, joined by SEPARATOR.
    """
    heads = np.empty(len(ids), HEAD)
    heads["kind"], heads["time"], heads["number"] = kind, times, numbers
    heads["id"] = np.frombuffer(b"".join(ids), "<i8")
    raw, size = heads.tobytes(), HEAD.itemsize
    return [raw[at : at + size] + tail for at, tail in zip(range(0, len(raw), size), tails, strict=True)]


def decode(values: Sequence[bytes]) -> Slims:
    """Return records as columns; each value is at least as long as a head."""
    size = HEAD.itemsize
    heads = np.frombuffer(b"".join([value[:size] for value in values]), HEAD)
    kinds, ids, times, numbers = (heads[name].copy() for name in HEAD.names or ())
    return Slims(kinds, ids, times, numbers, [value[size:] for value in values])
