"""The events of one partition of the state topic, each with its prediction, its label and its segments."""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Floats, Ints, Ints32, Singles, entry, kernel
from scorer.labels.slim import Slim

Number = TypeVar("Number", bound=np.generic)
Which = slice | NDArray[Any]  # selects items of an array
NO_TIME = -(2**63)
UNKNOWN = -1  # instead of the code of a text
FIRST_ROWS = 1_024
_FREE = -1
_PREDICTION, _LABEL, _SEGMENTS = int(Slim.PREDICTION), int(Slim.LABEL), int(Slim.SEGMENTS)
_BAD_LABEL = int(Slim.BAD_LABEL)


class Rows(NamedTuple):
    """One row per event; the arrays may be longer than the number of rows."""

    ids: Ints  # the short id
    scored: Ints  # when it was scored, milliseconds; before that -1 - t, where t is the time of its first record
    labelled: Ints  # the time of its label, milliseconds, or NO_TIME
    scores: Singles  # the score, or the number of the predicted class
    labels: Floats  # the label
    arms: Ints32  # the code of version and arm
    segments: Ints32  # the code of the values of its segments, or UNKNOWN

    def part(self, which: Which) -> "Rows":
        """Return some rows."""
        ids, scored, labelled, scores = (self.ids[which], self.scored[which], self.labelled[which], self.scores[which])
        return Rows(ids, scored, labelled, scores, self.labels[which], self.arms[which], self.segments[which])

    def in_room(self, rows: int) -> "Rows":
        """Return copies that have room for so many rows."""
        ids, scored, labelled = (_longer(each, rows) for each in (self.ids, self.scored, self.labelled))
        arms, segments = (_longer(each, rows) for each in (self.arms, self.segments))
        return Rows(ids, scored, labelled, _longer(self.scores, rows), _longer(self.labels, rows), arms, segments)


class News(NamedTuple):
    """Slim records of one partition, in the order of its log."""

    kinds: Codes
    ids: Ints
    times: Ints
    numbers: Floats
    codes: Ints32  # of the tail, or UNKNOWN
    arrived: Ints  # the latest timestamp in the log up to this record, milliseconds

    def part(self, which: slice) -> "News":
        """Return some records."""
        kinds, ids, times, numbers = self.kinds[which], self.ids[which], self.times[which], self.numbers[which]
        return News(kinds, ids, times, numbers, self.codes[which], self.arrived[which])


class Table:
    """The rows, with a hash table of their ids that is at most half full.

    It takes 44 bytes per event and 8 to 16 for the hash table; while it grows, half as much again.
    """

    def __init__(self) -> None:
        self.count = 0
        self._rows = _no_rows().in_room(FIRST_ROWS)
        self._index = np.full(2 * FIRST_ROWS, _FREE, np.int32)

    @property
    def rows(self) -> Rows:
        """The rows in use."""
        return self._rows.part(slice(self.count))

    def apply(self, news: News) -> NDArray[np.int64]:
        """Apply records in their order.

        Returns:
            int64 [2 * records]: `Rows.scored` of the event before and after each record, or NO_TIME. For an unusable
            label the second is its time of arrival, as if it were the first record of an event.
        """
        self._make_room(len(news.kinds))
        touched = np.empty(2 * len(news.kinds), np.int64)
        self.count = apply(self._rows, self._index, news, self.count, touched)
        return touched

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop all rows except these."""
        rows = self.rows.part(kept)
        self.count = len(rows.ids)
        self._rows = rows.in_room(max(FIRST_ROWS, self.count))
        self._reindex()

    def _make_room(self, more: int) -> None:
        needed = self.count + more
        if needed > len(self._rows.ids):
            self._rows = self.rows.in_room(needed + needed // 2)
        if 2 * needed > len(self._index):
            self._reindex(needed)

    def _reindex(self, rows: int = 0) -> None:
        cells = 1 << (2 * max(rows, self.count, FIRST_ROWS) - 1).bit_length()
        self._index = np.full(cells, _FREE, np.int32)
        index_rows(self._rows.ids, self.count, self._index)


def _longer(column: NDArray[Number], rows: int) -> NDArray[Number]:
    longer = np.empty(rows, column.dtype)
    longer[: len(column)] = column
    return longer


def _no_rows() -> Rows:
    longs, codes = np.empty(0, np.int64), np.empty(0, np.int32)
    return Rows(longs, longs, longs, np.empty(0, np.float32), np.empty(0, np.float64), codes, codes)


@kernel
def _cell(ids: Ints, index: Ints32, wanted: int) -> int:
    """Return the cell of an id, or the free cell where it belongs. Ids are hashes, so their last bits are even."""
    mask = len(index) - 1
    at = wanted & mask
    while index[at] != _FREE and ids[index[at]] != wanted:
        at = (at + 1) & mask
    return at


@entry
def index_rows(ids: Ints, count: int, index: Ints32) -> None:
    """Enter the first rows into an empty hash table.

    Args:
        ids: int64 [rows or more].
        count: how many rows there are.
        index: int32 [cells], a power of two that is at least twice as many; output.
    """
    for row in range(count):
        index[_cell(ids, index, ids[row])] = row


@entry
def apply(rows: Rows, index: Ints32, news: News, count: int, touched: Ints) -> int:
    """Apply records in their order, for which there must be room, and return the new number of rows.

    Args:
        rows: [rows or more].
        index: int32 [cells].
        news: [records].
        count: how many rows there were.
        touched: int64 [2 * records], output: see `Table.apply`.
    """
    for at in range(len(news.kinds)):
        kind = news.kinds[at]
        touched[2 * at], touched[2 * at + 1] = NO_TIME, NO_TIME
        if kind == _BAD_LABEL:
            touched[2 * at + 1] = -1 - news.arrived[at]
        if kind < _PREDICTION or kind > _SEGMENTS:
            continue
        cell = _cell(rows.ids, index, news.ids[at])
        row = index[cell]
        if row == _FREE:
            row = count
            count += 1
            index[cell] = row
            rows.ids[row] = news.ids[at]
            rows.scored[row] = -1 - news.arrived[at]
            rows.labelled[row] = NO_TIME
            rows.arms[row], rows.segments[row] = UNKNOWN, UNKNOWN
        else:
            touched[2 * at] = rows.scored[row]
        if kind == _PREDICTION:  # of several, the last one counts
            rows.scored[row] = news.times[at]
            rows.scores[row] = news.numbers[at]
            rows.arms[row] = news.codes[at]
        elif kind == _LABEL:
            if news.times[at] >= rows.labelled[row]:
                rows.labelled[row] = news.times[at]
                rows.labels[row] = news.numbers[at]
            if news.codes[at] != UNKNOWN:
                rows.segments[row] = news.codes[at]
        else:
            rows.segments[row] = news.codes[at]
        touched[2 * at + 1] = rows.scored[row]
    return count
