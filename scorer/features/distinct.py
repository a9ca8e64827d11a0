"""What is distinct among the texts of a batch, found without making a Python object for each."""

import secrets

import numpy as np
from numpy.typing import NDArray

from scorer.batch import NO_SLOT
from scorer.kernel import kernel

# The hash takes four bytes at a time and keeps 32 bits, in int64 so that no product overflows. It only spreads:
# equality is always checked. A seed of this process keeps anyone from preparing texts that collide, and the table is at
# most half full. Should all texts of a batch collide nevertheless, a row costs one comparison of numbers for each.
_SEED = secrets.randbits(32)
_PRIME = 0x2C1B3C6D
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
    table, hashes = np.full(_cells(len(usable)), _FREE, np.int32), np.empty(len(usable), np.int64)
    count = number_texts(data, *contiguous, usable, _SEED, table, hashes, slots, first)
    return slots, first[:count]


def _cells(rows: int) -> int:
    """Return how large a table is for so many rows: a power of two, at most half of it taken."""
    return 1 << max(3, (2 * rows - 1).bit_length())


@kernel(bare=True)
def _hash(data: NDArray[np.uint8], start: int, end: int, seed: int) -> np.int64:
    hashed = np.int64(seed) ^ (end - start)
    at = np.uint64(start)
    for _ in range((end - start) // 4):
        hashed = _mixed(hashed ^ _word(data, at))
        at += np.uint64(4)
    for last in range(at, np.uint64(end)):
        hashed = _mixed(hashed ^ np.int64(data[last]))
    return _mixed(hashed)


@kernel(bare=True)
def _word(data: NDArray[np.uint8], at: np.uint64) -> np.int64:
    """Return four bytes as one number, which the compiler reads at once."""
    word = np.int64(0)
    for byte in range(4):
        word |= np.int64(data[at + np.uint64(byte)]) << np.int64(8 * byte)
    return word


@kernel(bare=True)
def _mixed(hashed: np.int64) -> np.int64:
    """Return 32 bits that each depend on those at and below them, and on those of 15 above."""
    hashed = (hashed * _PRIME) & _BITS
    return hashed ^ (hashed >> 15)


@kernel(bare=True)
def _same(data: NDArray[np.uint8], one: int, other: int, length: int) -> bool:
    first, second = np.uint64(one), np.uint64(other)
    for _ in range(length // 4):
        if _word(data, first) != _word(data, second):
            return False
        first += np.uint64(4)
        second += np.uint64(4)
    for at in range(np.uint64(length % 4)):  # noqa: SIM110  numba has no all()
        if data[first + at] != data[second + at]:
            return False
    return True


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], boolean[::1], int64, int32[::1], "
    "int64[::1], int32[::1], int64[::1])",
    bare=True,
)
def number_texts(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    usable: NDArray[np.bool_],
    seed: int,
    table: NDArray[np.int32],
    hashes: NDArray[np.int64],
    slots: NDArray[np.int32],
    first: NDArray[np.int64],
) -> int:
    """Fill `slots` and `first` as `distinct` returns them, and return how many texts there are.

    Args:
        data: uint8 [bytes], what the texts point into.
        starts: int64 [rows], where each row's text starts in it.
        ends: int64 [rows], where it ends.
        usable: bool [rows], false where a row has no text.
        seed: of the hash.
        table: int32 [cells], all free; filled with numbers of texts.
        hashes: int64 [rows], room for the hash of each text.
        slots: int32 [rows], to be filled.
        first: int64 [rows], to be filled.
    """
    count = 0
    for row in range(len(slots)):
        if not usable[row]:
            slots[row] = NO_SLOT
            continue
        start, length = starts[row], ends[row] - starts[row]
        hashed = _hash(data, start, ends[row], seed)
        cell = hashed & (len(table) - 1)
        slot = table[cell]
        while slot != _FREE and not (
            hashes[slot] == hashed
            and ends[first[slot]] - starts[first[slot]] == length
            and _same(data, starts[first[slot]], start, length)
        ):
            cell = (cell + 1) & (len(table) - 1)
            slot = table[cell]
        if slot == _FREE:
            slot = count
            table[cell], hashes[slot], first[slot] = slot, hashed, row
            count += 1
        slots[row] = slot
    return count
