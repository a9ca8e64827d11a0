"""The bins of every column, and the kernel that counts rows into them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Ints, Ints32, Singles, Singles2, Table32, Words2, entry, kernel
from scorer.batch import UNKNOWN_BITS

NUMBER = -1  # in `Bins.categories`: a column of numbers
MOST_CODES = 1_024  # the most bins of a column of categories; further codes share the last one


class Bins(NamedTuple):
    """The bins of the columns, one column after the other.

    A column of numbers has those below its minimum, its inner bins, those above its maximum, and the missing ones. A
    number equal to an edge is in the bin below it. A column of categories has one bin for each code, the missing ones,
    and the unknown ones.
    """

    starts: Ints  # [columns + 1]: the first bin of each column
    categories: Ints  # [columns]: how many categories there are, or NUMBER
    edges: Singles  # [edges]: between the inner bins of columns of numbers, one column after the other
    edge_starts: Ints  # [columns + 1]: the first edge of each column
    least: Singles  # [columns]: the minimum
    most: Singles  # [columns]: the maximum


class Scratch(NamedTuple):
    """Memory that the kernel works in."""

    column: Singles
    place: Ints32
    ends: Ints32

    @classmethod
    def of(cls, rows: int) -> "Scratch":
        """Return memory for this many rows."""
        return cls(np.empty(rows, np.float32), np.empty(rows, np.int32), np.empty(rows, np.int32))


class Rows(NamedTuple):
    """Rows to count.

    values: the matrix.
    bits:   the same, as words.
    chosen: [chosen]: the rows.
    lines:  [chosen]: the line of the counts to which each is added.
    """

    values: Singles2
    bits: Words2
    chosen: Ints
    lines: Ints32


@kernel
def place_codes(rows: Rows, at: int, codes: int, bins: int, place: NDArray[np.int32]) -> None:
    """Set the bin of each value of a column of categories."""
    for each in range(len(rows.chosen)):
        value = rows.values[rows.chosen[each], at]
        known = value >= 0 and value < codes and value == np.floor(value)
        if known:
            place[each] = min(int(value), bins - 1)
        elif value == value and not known:  # noqa: PLR0124  not NaN
            place[each] = bins + 1
        else:
            place[each] = bins + (rows.bits[rows.chosen[each], at] == UNKNOWN_BITS)


@kernel
def place_beyond(column: NDArray[np.float32], bins: Bins, at: int, place: NDArray[np.int32]) -> None:
    """Do what `place_numbers` does for a column with more edges than it takes at once."""
    first, end = bins.edge_starts[at], bins.edge_starts[at + 1]
    least, most, above = bins.least[at], bins.most[at], np.int32(end - first + 2)
    for each in range(len(place)):
        place[each] = 1
    for number in range(first, end):
        edge = bins.edges[number]
        for each in range(len(place)):
            place[each] += np.int32(column[each] > edge)
    for each in range(len(place)):
        value, inner = column[each], place[each]
        inner = np.int32(0) if value < least else inner
        inner = above if value > most else inner
        place[each] = inner if value == value else above + np.int32(1)  # noqa: PLR0124  NaN


@kernel
def place_numbers(rows: Rows, at: int, bins: Bins, scratch: Scratch) -> None:
    """Set the bin of each value of a column of numbers. The loop has no branches, so the compiler vectorises it."""
    column, place, many = scratch.column, scratch.place, len(rows.chosen)
    first, end, edges = bins.edge_starts[at], bins.edge_starts[at + 1], bins.edges
    least, most, above = bins.least[at], bins.most[at], np.int32(end - first + 2)
    for each in range(many):
        column[each] = rows.values[rows.chosen[each], at]
    if end - first > 9:  # noqa: PLR2004  the edges that one pass takes
        place_beyond(column[:many], bins, at, place[:many])
        return
    e0, e1, e2 = edge_of(edges, first, end), edge_of(edges, first + 1, end), edge_of(edges, first + 2, end)
    e3, e4, e5 = edge_of(edges, first + 3, end), edge_of(edges, first + 4, end), edge_of(edges, first + 5, end)
    e6, e7, e8 = edge_of(edges, first + 6, end), edge_of(edges, first + 7, end), edge_of(edges, first + 8, end)
    for each in range(many):
        value = column[each]
        low = np.int32(1) + np.int32(value > e0) + np.int32(value > e1) + np.int32(value > e2) + np.int32(value > e3)
        inner = low + np.int32(value > e4) + np.int32(value > e5) + np.int32(value > e6)
        inner += np.int32(value > e7) + np.int32(value > e8)
        inner = np.int32(0) if value < least else np.int32(inner)
        inner = above if value > most else inner
        place[each] = inner if value == value else above + np.int32(1)  # noqa: PLR0124  NaN


@kernel
def edge_of(edges: NDArray[np.float32], number: int, end: int) -> np.float32:
    """Return an edge of a column; infinity, which no number is above, after its last one."""
    return edges[number] if number < end else np.float32(np.inf)


@entry
def count(rows: Rows, bins: Bins, scratch: Scratch, counts: Table32) -> None:
    """Count rows into bins.

    Args:
        rows: the rows.
        bins: the bins of their columns.
        scratch: memory for at least as many rows as are chosen.
        counts: int32 [lines, bins], to which is added.
    """
    place, ends, many = scratch.place, scratch.ends, len(rows.chosen)
    for each in range(many - 1, -1, -1):  # rows of one partition follow each other
        last = each == many - 1 or rows.lines[each + 1] != rows.lines[each]
        ends[each] = each + 1 if last else ends[each + 1]
    for at in range(len(bins.categories)):
        start, codes = bins.starts[at], bins.categories[at]
        if codes >= 0:
            place_codes(rows, at, codes, bins.starts[at + 1] - start - 2, place)
        else:
            place_numbers(rows, at, bins, scratch)
        first = np.int64(0)
        while first < many:
            end = np.int64(ends[first])
            mine = counts[rows.lines[first]]
            for each in range(first, end):  # with unsigned indexes, which are not looked at from the end
                mine[np.uint64(start + place[np.uint64(each)])] += 1
            first = end
