"""Programs for the decoding kernel: one instruction for each value, in the order of the bytes.

The programs of all writers are in one array, so that one batch may mix them. Records and null have no
instructions, since they have no bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scorer.avro.types.grammar import NULL, Link, Type


class Op(IntEnum):
    """What an instruction reads or does."""

    BOOLEAN = 0
    INT = 1
    LONG = 2
    ENUM = 3  # SIZE: how many symbols
    FLOAT = 4
    DOUBLE = 5
    BYTES = 6
    STRING = 7
    FIXED = 8  # SIZE: how many bytes
    UNION = 9  # SIZE: how many branches; TARGET: their first entry in `tables`
    JUMP = 10  # TARGET: the instruction to go on with
    BLOCKS = (
        11  # the next block of an array or map; TARGET: the instruction after it; SIZE: an item's least bytes, 0 or 1
    )
    NEXT = 12  # an item ends; TARGET: its BLOCKS
    ENTER = 13  # what follows is read from a default; TARGET: where that begins in `constants`
    LEAVE = 14  # the default ends: what follows is read from the value again
    FAIL = 15  # the reader cannot accept this type; SIZE: the fault
    CALL = 16  # a value inside one of the same type, which nothing needs; TARGET: the routine that skips it
    RETURN = 17  # a routine ends: go on behind its CALL


class Change(IntEnum):
    """What becomes of a value on its way to the column."""

    NONE = 0
    TO_FLOAT = 1  # an integer, rounded to a float32
    TO_DOUBLE = 2  # an integer
    SYMBOL = 3  # an enum's index; TARGET: the first entry in `tables`, of the reader's indexes or NO_SYMBOL


# The columns of an instruction.
OP: Final = 0
NULL_BRANCH: Final = 1  # of a value in a union with null and nothing else: which branch is null; else NEVER
SLOT: Final = 2  # the column that the value goes to, or SKIP
SIZE: Final = 3
TARGET: Final = 4
LEVEL: Final = 5  # of BLOCKS and NEXT: how many blocks are around
CHANGE: Final = 6  # of a value: see Change

NEVER: Final = -1
SKIP: Final = -1
MOST_CALLS: Final = 64  # values of a recursive type inside each other

NO_SYMBOL: Final = -1  # the reader has no such symbol, and no default


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions, and what errors say of each."""

    code: NDArray[np.int32]  # [instructions, the columns above]
    tables: NDArray[np.int32]  # [entries]: where each branch of each UNION goes on, and the indexes of symbols
    entries: NDArray[np.int32]  # [writers + 1]: the first instruction of each, and behind the last
    constants: bytes  # defaults, encoded and end to end
    levels: int  # blocks inside each other, at most
    paths: tuple[str, ...]  # [instructions]: the field that each reads
    types: tuple[Type, ...]  # [instructions]: and its type
    notes: Mapping[int, str]  # why each FAIL fails
    recursive: bool  # whether there is a CALL


class Listing:
    """A program that is being written, one instruction after the other.

    tables: int entries, as `Program.tables` has them.
    """

    def __init__(self) -> None:
        self.tables: list[int] = []
        self._code: list[list[int]] = []
        self._entries: list[int] = [0]
        self._constants = bytearray()
        self._levels = 0
        self._paths: list[str] = []
        self._types: list[Type] = []
        self._notes: dict[int, str] = {}
        self._links: dict[int, Link] = {}  # by each CALL

    @property
    def end(self) -> int:
        """The number of the next instruction."""
        return len(self._code)

    @property
    def mark(self) -> tuple[int, int]:
        """Where the listing ends now, for `cut`."""
        return len(self._code), len(self.tables)

    def emit(self, op: Op, kind: Type, path: str, *, size: int = 0, target: int = 0) -> int:
        """Append an instruction, and return its number.

        Args:
            op: what it does.
            kind: the type of what it reads.
            path: the field that it reads.
            size: see `Op`.
            target: see `Op`.
        """
        self._code.append([op, NEVER, SKIP, size, target, 0, Change.NONE])
        self._paths.append(path)
        self._types.append(kind)
        return len(self._code) - 1

    def fail(self, fault: int, kind: Type | Link, path: str, note: str) -> None:
        """Append an instruction that fails.

        Args:
            fault: what is wrong, a `Fault`.
            kind: the type of what cannot be read.
            path: the field.
            note: why, as errors say it.
        """
        at = self.emit(Op.FAIL, NULL if isinstance(kind, Link) else kind, path, size=fault)
        self._notes[at] = note

    def call(self, link: Link, path: str) -> None:
        """Append a call of the routine that skips a type; its TARGET is filled in once the routine exists."""
        self._links[self.emit(Op.CALL, NULL, path)] = link

    def calls(self, first: int) -> list[tuple[int, Link, str]]:
        """Return the calls from an instruction on: the instruction, the type, and the field."""
        return [(at, link, self._paths[at]) for at, link in self._links.items() if at >= first]

    def put(self, instruction: int, column: int, value: int) -> None:
        """Change a column of an instruction."""
        self._code[instruction][column] = value

    def put_level(self, instruction: int, level: int) -> None:
        """Say how many blocks are around a BLOCKS or NEXT."""
        self._code[instruction][LEVEL] = level
        self._levels = max(self._levels, level + 1)

    def add_constant(self, encoded: bytes) -> int:
        """Append a default, and return where it begins in the constants."""
        self._constants += encoded
        return len(self._constants) - len(encoded)

    def cut(self, mark: tuple[int, int]) -> None:
        """Take back all instructions and entries of tables since a mark."""
        instructions, entries = mark
        del self._code[instructions:], self._paths[instructions:], self._types[instructions:], self.tables[entries:]
        self._notes = {step: note for step, note in self._notes.items() if step < instructions}
        self._links = {step: link for step, link in self._links.items() if step < instructions}

    def end_writer(self) -> int:
        """End the program of a writer, and return its number, counted from 0."""
        self._entries.append(len(self._code))
        return len(self._entries) - 2

    def program(self) -> Program:
        """Return the programs of all writers so far."""
        return Program(
            np.array(self._code, np.int32).reshape(-1, CHANGE + 1),
            np.array(self.tables, np.int32),
            np.array(self._entries, np.int32),
            bytes(self._constants),
            self._levels,
            tuple(self._paths),
            tuple(self._types),
            dict(self._notes),
            bool(self._links),
        )
