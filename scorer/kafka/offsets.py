"""Offsets by partition.

An offset in this module is always the NEXT one to read in a partition. A record has its own offset; only
`first_and_next_offsets` converts one to the other.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Records

Partition = tuple[str, int]  # topic, number
Offsets = dict[Partition, int]

FEW = 100  # for so few records a dictionary takes half the time of a sort


def named(partitions: Iterable[Partition]) -> str:
    """Return the names of partitions, in order, as log lines show them."""
    return " ".join(f"{topic}-{number}" for topic, number in sorted(partitions)) or "none"


def next_offsets(records: Records) -> Offsets:
    """Return the next offset to read in each partition after a batch."""
    return first_and_next_offsets(records)[1]


def first_and_next_offsets(records: Records) -> tuple[Offsets, Offsets]:
    """Return the offset of the first record of each partition in a batch, and the next offset to read after it."""
    codes = records.topic.astype(np.int64) << 32 | records.partition
    first, last = _sorted(codes, records.offset) if len(records) > FEW else _looked_up(codes, records.offset)
    places = {code: (records.topics[code >> 32], code & 0xFFFFFFFF) for code in last}
    return (
        {place: first[code] for code, place in places.items()},
        {place: last[code] + 1 for code, place in places.items()},
    )


def _looked_up(codes: NDArray[np.int64], offsets: NDArray[np.int64]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the first and the last of the offsets that belong to each code."""
    of, each = codes.tolist(), offsets.tolist()
    return dict(zip(reversed(of), reversed(each), strict=True)), dict(zip(of, each, strict=True))


def _sorted(codes: NDArray[np.int64], offsets: NDArray[np.int64]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the same as `_looked_up`, for many."""
    order = codes.argsort(kind="stable")
    each, found = codes[order], offsets[order]
    turns = np.flatnonzero(each[1:] != each[:-1])
    begins, ends = np.append(0, turns + 1), np.append(turns, len(order) - 1)
    of = each[begins].tolist()
    return dict(zip(of, found[begins].tolist(), strict=True)), dict(zip(of, found[ends].tolist(), strict=True))
