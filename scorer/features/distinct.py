"""What is distinct in a batch, found without making a text for every row.

A row's key is a tuple of texts, which stay where they lie in `Events.data`, and of moments, which are numbers. A
kernel numbers the distinct tuples; only for each of them is a text made.
"""

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import NO_SLOT, Column
from scorer.kernel import kernel

# The hash is FNV-1a on 32 bits, with a stronger end, in int64 so that no product overflows. It only spreads: equality
# is always checked. A seed of this process keeps anyone from preparing keys that collide, and the table is at most
# half full. Should all keys of a batch collide nevertheless, a row costs one comparison of numbers for each of them.
_SEED = secrets.randbits(32)
_PRIME = 16777619
_MIX = 0x2C1B3C6D
_BITS = 0xFFFFFFFF
_END = 0x100  # of a text; no byte
_FREE = -1


def distinct(
    data: NDArray[np.uint8], texts: Sequence[Column], moments: Sequence[NDArray[np.int64]], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the distinct tuples of texts and moments in the order in which they appear.

    Args:
        data: uint8 [bytes], what the texts point into.
        texts: columns with `starts` and `ends`.
        moments: int64 [rows] each.
        usable: bool [rows], false where a row's texts and moments mean nothing.

    Returns:
        int32 [rows], the number of each row's tuple, NO_SLOT where it is not usable; int64 [tuples], the first row of
        each.
    """
    rows = len(usable)
    edges = [[column.starts for column in texts], [column.ends for column in texts]]
    spans = np.array(edges, np.int64).reshape(2, len(texts), rows)
    numbers = np.array(moments, np.int64).reshape(len(moments), rows)
    slots, first = np.empty(rows, np.int32), np.empty(rows, np.int64)
    count = number_tuples(data, spans, numbers, usable, _SEED, slots, first)
    return slots, first[:count]


@kernel()
def _hash(data: NDArray[np.uint8], spans: NDArray[np.int64], numbers: NDArray[np.int64], row: int, seed: int) -> int:
    hashed = seed
    for text in range(spans.shape[1]):
        for at in range(spans[0, text, row], spans[1, text, row]):
            hashed = ((hashed ^ data[at]) * _PRIME) & _BITS
        hashed = ((hashed ^ _END) * _PRIME) & _BITS
    for moment in range(len(numbers)):
        number = numbers[moment, row]
        hashed = ((hashed ^ (number & _BITS)) * _MIX) & _BITS
        hashed = ((hashed ^ (number >> 32 & _BITS)) * _MIX) & _BITS
    hashed = ((hashed ^ (hashed >> 15)) * _MIX) & _BITS
    return hashed ^ (hashed >> 13)


@kernel()
def _same(data: NDArray[np.uint8], spans: NDArray[np.int64], numbers: NDArray[np.int64], one: int, other: int) -> bool:
    for moment in range(len(numbers)):
        if numbers[moment, one] != numbers[moment, other]:
            return False
    for text in range(spans.shape[1]):
        here, there = spans[0, text, one], spans[0, text, other]
        length = spans[1, text, one] - here
        if spans[1, text, other] - there != length:
            return False
        for at in range(length):
            if data[here + at] != data[there + at]:
                return False
    return True


@kernel("int64(uint8[::1], int64[:, :, ::1], int64[:, ::1], boolean[::1], int64, int32[::1], int64[::1])")
def number_tuples(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    spans: NDArray[np.int64],
    numbers: NDArray[np.int64],
    usable: NDArray[np.bool_],
    seed: int,
    slots: NDArray[np.int32],
    first: NDArray[np.int64],
) -> int:
    """Fill `slots` and `first` as `distinct` returns them; return how many tuples there are.

    Args:
        data: what the texts point into.
        spans: [2, texts, rows], where each text starts and ends.
        numbers: [moments, rows].
        usable: [rows].
        seed: of the hash.
        slots: [rows].
        first: [rows], more than there may be tuples.
    """
    size = 8
    while size < 2 * len(slots):
        size *= 2
    table = np.full(size, _FREE, np.int32)
    hashes = np.empty(len(slots), np.int64)
    count = 0
    for row in range(len(slots)):
        if not usable[row]:
            slots[row] = NO_SLOT
            continue
        hashed = _hash(data, spans, numbers, row, seed)
        cell = hashed & (size - 1)
        slot = table[cell]
        while slot != _FREE and not (hashes[slot] == hashed and _same(data, spans, numbers, first[slot], row)):
            cell = (cell + 1) & (size - 1)
            slot = table[cell]
        if slot == _FREE:
            slot = count
            table[cell], hashes[slot], first[slot] = slot, hashed, row
            count += 1
        slots[row] = slot
    return count
