"""Adds up the contributions of rows from the tables of `scorer.model.explain.tables`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Floats, Floats3, Halves, Singles, Singles2, entry, kernel
from scorer.model.explain.groups import Groups
from scorer.model.explain.tables import Tables
from scorer.model.trees.forest import BLOCK, Forest, fill

TRIED = 64  # rows on which contributions are compared with the model
TOLERANCE = 5e-5  # of the largest number of a row, or of 1: XGBoost adds in float32, which is most of the difference


class Room(NamedTuple):
    """What the kernel works in, for a block of rows."""

    block: Singles  # [columns * BLOCK]: see `scorer.model.trees.forest`
    answers: Codes  # [splits of a tree * BLOCK]: 1 where the row goes right
    which: Halves  # [BLOCK]: the combination of a group's answers
    total: Floats  # [outputs * features * BLOCK]: the contributions of each row so far

    @classmethod
    def of(cls, forest: Forest, groups: Groups, outputs: int) -> "Room":
        """Return room for a forest."""
        splits = int(np.diff(groups.split_starts).max(initial=0))
        return cls(
            np.empty(forest.columns.end * BLOCK, np.float32),
            np.empty(splits * BLOCK, np.uint8),
            np.empty(BLOCK, np.uint16),
            np.empty(outputs * len(forest.features) * BLOCK, np.float64),
        )


@kernel
def _answer(node: int, to: int, count: int, forest: Forest, room: Room) -> None:
    """Write whether each row of the block goes right at a split, from some place in `answers` on."""
    column, start = np.uintp(forest.column[node]), forest.first[node]
    if start < 0:
        value = forest.value[node]
        for row in range(count):
            room.answers[np.uintp(to + row)] = room.block[column + np.uintp(row)] >= value
        return
    for row in range(count):
        code = np.int32(room.block[column + np.uintp(row)])
        word = forest.words[np.uint32(start + (code >> np.int32(5)))]
        room.answers[np.uintp(to + row)] = (word >> np.uint32(code & np.int32(31))) & np.uint32(1)


@kernel
def _combine(group: int, count: int, groups: Groups, room: Room) -> None:
    """Fill `which`: the answers of a group's splits as the bits of a number."""
    first = groups.decision_starts[group]
    for row in range(count):
        room.which[row] = 0
    for at in range(first, groups.decision_starts[group + 1]):
        place, bit = groups.decisions[at] * BLOCK, np.uint16(at - first)
        for row in range(count):
            room.which[np.uintp(row)] |= np.uint16(room.answers[np.uintp(place + row)]) << bit


@entry
def add_contributions(rows: Singles2, tables: Tables, room: Room, out: Floats3) -> None:
    """Add the contribution of each column to each output, BLOCK rows at a time.

    Args:
        rows: float32 [rows, columns of the model].
        tables: the trees, and what their groups add.
        room: what the kernel works in.
        out: float64 [rows, outputs, columns of the model + 1], to which the contributions are added.
    """
    forest, groups, cells = tables.forest, tables.groups, tables.cells
    used = len(forest.features)
    for start in range(0, len(rows), BLOCK):
        count = min(BLOCK, len(rows) - start)
        fill(rows, start, count, forest, room.block)
        room.total[:] = 0.0
        for tree in range(forest.trees.shape[1]):
            for split in range(groups.split_starts[tree], groups.split_starts[tree + 1]):
                to = (split - groups.split_starts[tree]) * BLOCK
                _answer(groups.splits[split], to, count, forest, room)
            for group in range(groups.group_starts[tree], groups.group_starts[tree + 1]):
                _combine(group, count, groups, room)
                cell = groups.table_starts[group]
                size = np.int64(1) << np.int64(groups.decision_starts[group + 1] - groups.decision_starts[group])
                for at in range(groups.feature_starts[group], groups.feature_starts[group + 1]):
                    to = (forest.trees[2, tree] * used + groups.features[at]) * BLOCK
                    for row in range(count):
                        room.total[np.uintp(to + row)] += cells[np.uintp(cell + room.which[np.uintp(row)])]
                    cell += size
        for output in range(out.shape[1]):
            for place in range(used):
                for row in range(count):
                    at = (output * used + place) * BLOCK + row
                    out[start + row, output, forest.features[place]] += room.total[at]


def by_tables(tables: Tables, base: NDArray[np.float64]) -> Callable[[Singles2], Floats3]:
    """Return a function that computes contributions from tables.

    Args:
        tables: the tables of the trees.
        base: [outputs], the base, which is the same in all rows.
    """
    room = Room.of(tables.forest, tables.groups, len(base))

    def compute(matrix: Singles2) -> Floats3:
        out = np.zeros((len(matrix), len(base), matrix.shape[1] + 1))
        rows = np.require(matrix, np.float32, ("C", "W"))  # the kernel is compiled only for such arrays
        add_contributions(rows, tables, room, out)
        out[:, :, -1] = base
        return out

    return compute
