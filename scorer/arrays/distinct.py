"""Find the distinct texts of a batch without making a Python object for each."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Flags, Ints, Ints32, entry, kernel
from scorer.arrays.spans import SEED, Spans, hash_of, same
from scorer.batch import NO_SLOT

# The hash table is at most half full. If all texts of a batch collide, a row costs one comparison of hashes for each.
FREE = -1


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
    if len(usable) == 1:  # no need to look for others
        there = int(usable[0])
        return np.array((0 if there else NO_SLOT,), np.int32), np.zeros(there, np.int64)
    slots, first = np.empty(len(usable), np.int32), np.empty(len(usable), np.int64)
    texts = Spans(data, np.ascontiguousarray(starts), np.ascontiguousarray(ends))
    table = HashTable.empty(len(usable))
    count = number_texts(texts, usable, table, slots, first)
    return slots, first[:count]


def _cells(rows: int) -> int:
    """Return the size of the hash table: a power of two that is at least twice the number of rows."""
    return 1 << max(3, (2 * rows - 1).bit_length())


class HashTable(NamedTuple):
    """A hash table of texts."""

    cells: Ints32  # [cells]: the number of a text, or FREE
    hashes: Ints  # [rows]: the hash of each text, by its number
    seed: int  # of the hashes

    @classmethod
    def empty(cls, rows: int) -> Self:
        """Return a table for so many rows."""
        cells = np.empty(_cells(rows), np.int32)
        cells.fill(FREE)
        return cls(cells, np.empty(rows, np.int64), SEED)


@kernel
def cell_of(  # noqa: PLR0913, PLR0917  what is sought, and where
    at: int, hashed: np.int64, wanted: Spans, texts: Spans, table: HashTable, first: Ints
) -> np.int64:
    """Return the cell of a text in a table, or the free cell where it belongs if it is not there.

    Args:
        at: which of `wanted` it is.
        hashed: its hash.
        wanted: [wanted], the texts to find.
        texts: [rows], those that the table is of.
        table: the table.
        first: int64 [texts], the first row of each text in the table.
    """
    starts, ends, cells, hashes = texts.starts, texts.ends, table.cells, table.hashes
    start, length = wanted.starts[at], wanted.ends[at] - wanted.starts[at]
    cell = hashed & (len(cells) - 1)
    slot = cells[cell]
    while slot != FREE and not (
        hashes[slot] == hashed
        and ends[first[slot]] - starts[first[slot]] == length
        and same(texts.data, starts[first[slot]], wanted.data, start, length)
    ):
        cell = (cell + 1) & (len(cells) - 1)
        slot = cells[cell]
    return cell


@entry
def number_texts(texts: Spans, usable: Flags, table: HashTable, slots: Ints32, first: Ints) -> int:
    """Fill `slots` and `first` as `distinct` returns them, and return how many texts there are.

    Args:
        texts: [rows], the text of each row.
        usable: bool [rows], false where a row has no text.
        table: an empty table, which is filled.
        slots: int32 [rows], output.
        first: int64 [rows], output.
    """
    cells, count = table.cells, 0
    for row in range(len(slots)):
        if not usable[row]:
            slots[row] = NO_SLOT
            continue
        hashed = hash_of(texts.data, texts.starts[row], texts.ends[row], table.seed)
        cell = cell_of(row, hashed, texts, texts, table, first)
        slot = cells[cell]
        if slot == FREE:
            slot = count
            cells[cell], table.hashes[slot], first[slot] = slot, hashed, row
            count += 1
        slots[row] = slot
    return count
