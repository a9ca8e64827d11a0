"""What is distinct among the texts of a batch, found without making a Python object for each."""

import secrets

import numpy as np
from numpy.typing import NDArray

from scorer.batch import NO_SLOT
from scorer.kernel import kernel

# The hash is FNV-1a on 32 bits, with a stronger end, in int64 so that no product overflows. It only spreads: equality
# is always checked. A seed of this process keeps anyone from preparing texts that collide, and the table is at most
# half full. Should all texts of a batch collide nevertheless, a row costs one comparison of numbers for each of them.
_SEED = secrets.randbits(32)
_PRIME = 16777619
_MIX = 0x2C1B3C6D
_BITS = 0xFFFFFFFF
_FREE = -1


def distinct(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the distinct texts of a column in the order in which they appear.

    Args:
        data: uint8 [bytes], what the texts point into.
        starts: int64 [rows], where each row's text starts in it.
        ends: int64 [rows], where it ends.
        usable: bool [rows], false where a row has no text.

    Returns:
        int32 [rows], the number of each row's text, NO_SLOT where it has none; int64 [texts], the first row of each.
    """
    slots, first = np.empty(len(usable), np.int32), np.empty(len(usable), np.int64)
    contiguous = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    count = number_texts(data, *contiguous, usable, _SEED, slots, first)
    return slots, first[:count]


@kernel()
def _hash(data: NDArray[np.uint8], start: int, end: int, seed: int) -> np.int64:
    hashed = np.int64(seed)
    for at in range(start, end):
        hashed = ((hashed ^ np.int64(data[at])) * _PRIME) & _BITS
    hashed = ((hashed ^ (hashed >> 15)) * _MIX) & _BITS
    return hashed ^ (hashed >> 13)


@kernel()
def _same(data: NDArray[np.uint8], one: int, other: int, length: int) -> bool:
    for at in range(length):  # noqa: SIM110  numba has no all()
        if data[one + at] != data[other + at]:
            return False
    return True


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], boolean[::1], int64, int32[::1], int64[::1])"
)
def number_texts(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    usable: NDArray[np.bool_],
    seed: int,
    slots: NDArray[np.int32],
    first: NDArray[np.int64],
) -> int:
    """Fill `slots` as `distinct` returns it, and `first` with the first row of each text; return how many there are."""
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
        start, length = starts[row], ends[row] - starts[row]
        hashed = _hash(data, start, ends[row], seed)
        cell = hashed & (size - 1)
        slot = table[cell]
        while slot != _FREE and not (
            hashes[slot] == hashed
            and ends[first[slot]] - starts[first[slot]] == length
            and _same(data, starts[first[slot]], start, length)
        ):
            cell = (cell + 1) & (size - 1)
            slot = table[cell]
        if slot == _FREE:
            slot = count
            table[cell], hashes[slot], first[slot] = slot, hashed, row
            count += 1
        slots[row] = slot
    return count
