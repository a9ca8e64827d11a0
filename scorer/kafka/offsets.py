"""Offsets by partition.

An offset in this module is always the NEXT one to read in a partition. A record has its own offset; only
`next_offsets` converts one to the other.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Records

Partition = tuple[str, int]  # topic, number
Offsets = dict[Partition, int]

FEW = 100  # for so few records a dictionary takes half the time of a sort


def named(partitions: Iterable[Partition]) -> str:
    """Return the names of partitions, in order, as log lines show them."""
    return " ".join(f"{topic}-{number}" for topic, number in sorted(partitions)) or "none"


def first_offsets(records: Records) -> Offsets:
    """Return the offset of the first record of each partition in a batch."""
    return _last(records, -1)


def next_offsets(records: Records) -> Offsets:
    """Return the next offset to read in each partition after a batch."""
    return {partition: offset + 1 for partition, offset in _last(records, 1).items()}


def _last(records: Records, step: int) -> Offsets:
    """Return the offset of the record of each partition that comes last in an order: 1 forwards, or -1 backwards."""
    if len(records) > FEW:
        codes, at = np.unique(_codes(records)[::-step], return_index=True)
        return _by_partition(records, codes, records.offset[::-step][at])
    columns = records.topic, records.partition, records.offset
    topics, partitions, offsets = (column[::step].tolist() for column in columns)
    last = dict(zip(zip(topics, partitions, strict=True), offsets, strict=True))
    return {(records.topics[topic], partition): offset for (topic, partition), offset in last.items()}


def _codes(records: Records) -> NDArray[np.int64]:
    code: NDArray[np.int64] = records.topic.astype(np.int64) << 32 | records.partition
    return code


def _by_partition(records: Records, codes: NDArray[np.int64], offsets: NDArray[Any]) -> Offsets:
    partitions = ((records.topics[code >> 32], code & 0xFFFFFFFF) for code in codes.tolist())
    return dict(zip(partitions, offsets.tolist(), strict=True))
