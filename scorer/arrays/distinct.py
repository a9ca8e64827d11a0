"""Find the distinct texts of a batch without making a Python object for each."""

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.arrays.spans import SEED, hash_of, same
from scorer.batch import NO_SLOT

# The hash table is at most half full. If all texts of a batch collide, a row costs one comparison of hashes for each.
_FREE = -1


def distinct(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the distinct texts of a column in the order in which they appear.

    Args:
        data: uint8 [bytes], the bytes that the texts are slices of.
        starts: int64 [rows], where each row's text starts in `data`.
        ends: int64 [rows], where each row's text ends.
        usable: bool [rows], false where a row has no text.

    Returns:
        int32 [rows], the number of each row's text, or NO_SLOT; int64 [texts], the first row of each distinct text.
    """
    slots, first = np.empty(len(usable), np.int32), np.empty(len(usable), np.int64)
    contiguous = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    table, hashes = np.full(_cells(len(usable)), _FREE, np.int32), np.empty(len(usable), np.int64)
    count = number_texts(data, *contiguous, usable, SEED, table, hashes, slots, first)
    return slots, first[:count]


def _cells(rows: int) -> int:
    """Return the size of the hash table: a power of two that is at least twice the number of rows."""
    return 1 << max(3, (2 * rows - 1).bit_length())


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], boolean[::1], int64, int32[::1], "
    "int64[::1], int32[::1], int64[::1])",
    refcounts=False,
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
        data: uint8 [bytes], the bytes that the texts are slices of.
        starts: int64 [rows], where each row's text starts in `data`.
        ends: int64 [rows], where each row's text ends.
        usable: bool [rows], false where a row has no text.
        seed: the seed of the hash.
        table: int32 [cells], all free; filled with numbers of texts.
        hashes: int64 [rows], working space for the hash of each text.
        slots: int32 [rows], output.
        first: int64 [rows], output.
    """
    count = 0
    for row in range(len(slots)):
        if not usable[row]:
            slots[row] = NO_SLOT
            continue
        start, length = starts[row], ends[row] - starts[row]
        hashed = hash_of(data, start, ends[row], seed)
        cell = hashed & (len(table) - 1)
        slot = table[cell]
        while slot != _FREE and not (
            hashes[slot] == hashed
            and ends[first[slot]] - starts[first[slot]] == length
            and same(data, starts[first[slot]], data, start, length)
        ):
            cell = (cell + 1) & (len(table) - 1)
            slot = table[cell]
        if slot == _FREE:
            slot = count
            table[cell], hashes[slot], first[slot] = slot, hashed, row
            count += 1
        slots[row] = slot
    return count
