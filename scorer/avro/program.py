"""Schemas as programs for the decoding kernel: one instruction a value, in the order of the bytes.

A program reads what one schema, the writer's, has written, and fills the columns of another, the reader's, as Avro's
schema resolution has it. The programs of all writers stand in one array, so that one batch may mix them. A record has
no instruction of its own, and neither has null: they have no bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from scorer.avro.binary import unpack_long
from scorer.avro.grammar import NULL, Array, Link, Map, Record, Scalar, Type, Union, without_null
from scorer.avro.likeness import Unresolvable, clash, goes_by, mismatch, paired, promotes


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
    BLOCKS = 11  # the next block of an array or map; TARGET: behind its end; SIZE: the least bytes of an item, 0 or 1
    NEXT = 12  # an item ends; TARGET: its BLOCKS
    ENTER = 13  # what follows is read from a default; TARGET: where that begins in `constants`
    LEAVE = 14  # the default ends: what follows is read from the value again
    FAIL = 15  # the reader cannot take what stands here; SIZE: the fault


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
NO_SYMBOL: Final = -1  # the reader has no such symbol, and no default

UNRESOLVED: Final = -18  # the faults of FAIL, which `Fault` has too: the writer's schema cannot give a needed field,
UNEXPECTED_NULL: Final = -19  # and a value is null where the reader's field is not


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions, and what errors say of each."""

    code: NDArray[np.int32]  # [instructions, the columns above]
    tables: NDArray[np.int32]  # where each branch of each UNION goes on, and the indexes of symbols
    entries: NDArray[np.int32]  # [writers + 1]: the first instruction of each, and behind the last
    constants: bytes  # defaults, encoded and end to end
    levels: int  # blocks inside each other, at most
    paths: tuple[str, ...]  # the field that each instruction reads
    types: tuple[Type, ...]  # and its type
    notes: Mapping[int, str]  # why each FAIL fails


class Compiler:
    """Compiles the schemas of writers, one after the other.

    Args:
        reader: the record whose fields are wanted.
        slots: the column of each path that is needed; all other values are skipped.
    """

    def __init__(self, reader: Record, slots: Mapping[str, int]) -> None:
        self._reader, self._slots = reader, slots
        self._needed = {""} | {path[:end] for path in slots for end in _ends(path)}
        self._code: list[list[int]] = []
        self._tables: list[int] = []
        self._entries: list[int] = [0]
        self._constants = bytearray()
        self._levels = 0
        self._paths: list[str] = []
        self._types: list[Type] = []
        self._notes: dict[int, str] = {}

    def add(self, written: Type | Link, name: str) -> int:
        """Add a writer's schema, and return its number, counted from 0.

        Args:
            written: the type of its values.
            name: what errors call it. One that cannot give a needed field becomes a program that says so.
        """
        before = self._lengths()
        try:
            self._read(written, self._reader, "", 0)
        except Unresolvable as error:
            self._cut(before)
            self._fail(UNRESOLVED, self._reader, error.path, f"{name}: {error}")
        self._entries.append(len(self._code))
        return len(self._entries) - 2

    def program(self) -> Program:
        """Return the programs of all writers so far."""
        return Program(
            np.array(self._code, np.int32).reshape(-1, CHANGE + 1),
            np.array(self._tables, np.int32),
            np.array(self._entries, np.int32),
            bytes(self._constants),
            self._levels,
            tuple(self._paths),
            tuple(self._types),
            dict(self._notes),
        )

    def _lengths(self) -> tuple[int, int]:
        return len(self._code), len(self._tables)

    def _cut(self, lengths: tuple[int, int]) -> None:
        """Take back the instructions of a type that turned out not to resolve."""
        instructions, entries = lengths
        del self._code[instructions:], self._paths[instructions:], self._types[instructions:], self._tables[entries:]
        self._notes = {step: note for step, note in self._notes.items() if step < instructions}

    def _read(self, written: Type | Link, wanted: Type | None, path: str, level: int) -> None:
        """Append the instructions that read a value of the writer's type.

        Args:
            written: the type.
            wanted: the reader's type of the field; None where nothing in it is needed.
            path: of the field, by the reader's names where the reader has it.
            level: how many blocks are around.
        """
        if path not in self._needed:
            wanted = None
        match written:
            case Link(name=name):
                raise Unresolvable(path, f"'{name}' contains itself", "recursive schemas are not supported")
            case Scalar():
                self._scalar(written, wanted, path)
            case Record():
                self._record(written, wanted, path, level)
            case Union():
                self._union(written, wanted, path, level)
            case Array(items=items):
                self._blocks(written, [items], wanted, path, level)
            case Map(values=values):
                self._blocks(written, [Scalar("string"), values], wanted, path, level)

    def _scalar(self, written: Scalar, wanted: Type | None, path: str, null_branch: int = NEVER) -> None:
        bare, nullable = (None, True) if wanted is None else without_null(wanted)
        if written == NULL:
            if not nullable:
                _refuse(written, wanted or written, path)
            return
        op, change, target = Op[written.base.upper()], Change.NONE, 0
        if bare is not None:
            if not isinstance(bare, Scalar):
                _refuse(written, bare, path)
            op, change, target = self._converted(written, bare, path)
        size = len(written.symbols) if written.base == "enum" else written.size
        at = self._emit(op, written, path, size=size, target=target)
        self._code[at][NULL_BRANCH], self._code[at][CHANGE] = null_branch, change
        self._code[at][SLOT] = SKIP if bare is None else self._slots.get(path, SKIP)

    def _converted(self, written: Scalar, wanted: Scalar, path: str) -> tuple[Op, Change, int]:
        """Return how a scalar is read and changed to become one of the reader's."""
        op = Op[written.base.upper()]
        if clash(written, wanted):
            _refuse(written, wanted, path)
        if written.base in {"enum", "fixed"} and (
            written.base != wanted.base or written.size != wanted.size or not goes_by(written.name, wanted)
        ):
            _refuse(written, wanted, path)
        if written.base == "enum":
            return op, *self._symbols(written, wanted)
        if written.base == wanted.base:
            return op, Change.NONE, 0
        if not promotes(written, wanted):
            _refuse(written, wanted, path)
        if wanted.base in {"string", "bytes"}:
            return Op[wanted.base.upper()], Change.NONE, 0
        if written.base != "float" and wanted.base in {"float", "double"}:
            return op, Change.TO_FLOAT if wanted.base == "float" else Change.TO_DOUBLE, 0
        return op, Change.NONE, 0

    def _symbols(self, written: Scalar, wanted: Scalar) -> tuple[Change, int]:
        if written.symbols == wanted.symbols[: len(written.symbols)]:
            return Change.NONE, 0
        known = {symbol: index for index, symbol in enumerate(wanted.symbols)}
        target, otherwise = len(self._tables), known.get(wanted.fallback, NO_SYMBOL)
        self._tables += [known.get(symbol, otherwise) for symbol in written.symbols]
        return Change.SYMBOL, target

    def _record(self, written: Record, wanted: Type | None, path: str, level: int) -> None:
        ours: tuple[Record, ...] = ()
        if wanted is not None:
            bare, _ = without_null(wanted)
            if not isinstance(bare, Record):
                _refuse(written, bare, path)
            ours = (bare,)
        found = {name: member for each in ours for name, member in paired(written, each).items()}
        for theirs in written.members:
            member = found.get(theirs.name)
            name, kind = (theirs.name, None) if member is None else (member.name, member.type)
            # A field of the writer alone has no column, even where a path of the reader's reads the same.
            self._read(theirs.type, kind, _inside(path, name), level)
        matched = {member.name for member in found.values()}
        for member in (each for record in ours for each in record.members if each.name not in matched):
            inner = _inside(path, member.name)
            if inner in self._needed:
                self._default(member.type, member.default, inner, level)

    def _default(self, kind: Type, default: bytes | None, path: str, level: int) -> None:
        """Append the instructions that fill a field which the writer does not have."""
        if default is None:
            raise Unresolvable(
                path, "the writer's schema has no such field", "expected one, or a default in the reader's schema"
            )
        if isinstance(kind, Union) and kind.branches[unpack_long(default, 0)[0]] == NULL:
            return  # the columns are null already
        at = len(self._constants)
        self._constants += default
        self._emit(Op.ENTER, kind, path, target=at)
        self._read(kind, kind, path, level)
        self._emit(Op.LEAVE, kind, path)

    def _union(self, written: Union, wanted: Type | None, path: str, level: int) -> None:
        others = [branch for branch in written.branches if branch != NULL]
        simple = len(written.branches) == 2 and len(others) == 1  # noqa: PLR2004  null and one other
        if simple and isinstance(others[0], Scalar) and (wanted is None or without_null(wanted)[1]):
            before = self._lengths()
            try:
                self._scalar(others[0], wanted, path, written.branches.index(NULL))
            except Unresolvable:
                self._cut(before)
            else:
                return
        self._branches(written, wanted, path, level)

    def _branches(self, written: Union, wanted: Type | None, path: str, level: int) -> None:
        first = len(self._tables)
        self._emit(Op.UNION, written, path, size=len(written.branches), target=first)
        self._tables += [0] * len(written.branches)
        jumps, refused = [], []
        for index, branch in enumerate(written.branches):
            self._tables[first + index] = len(self._code)
            before = self._lengths()
            try:
                self._read(branch, wanted, path, level)
            except Unresolvable as error:
                self._cut(before)
                refused.append((branch == NULL, error))
                self._fail(UNEXPECTED_NULL if branch == NULL else UNRESOLVED, branch, path, str(error))
            jumps.append(self._emit(Op.JUMP, written, path))
        if refused and len(refused) == len(written.branches):
            raise min(refused, key=lambda each: each[0])[1]
        for jump in jumps:
            self._code[jump][TARGET] = len(self._code)

    def _blocks(self, written: Array | Map, parts: list[Type], wanted: Type | None, path: str, level: int) -> None:
        if wanted is not None:
            _refuse(written, without_null(wanted)[0], path)
        self._levels = max(self._levels, level + 1)
        begin = self._emit(Op.BLOCKS, written, path, level=level)
        for part in parts:
            self._read(part, None, f"{path}[]", level + 1)
        self._emit(Op.NEXT, written, path, target=begin, level=level)
        self._code[begin][TARGET] = len(self._code)
        self._code[begin][SIZE] = min(1, sum(map(has_bytes, parts)))

    def _fail(self, fault: int, kind: Type | Link, path: str, note: str) -> None:
        at = self._emit(Op.FAIL, NULL if isinstance(kind, Link) else kind, path, size=fault)
        self._notes[at] = note

    def _emit(  # noqa: PLR0913  the columns of an instruction
        self, op: Op, kind: Type, path: str, *, size: int = 0, target: int = 0, level: int = 0
    ) -> int:
        self._code.append([op, NEVER, SKIP, size, target, level, Change.NONE])
        self._paths.append(path)
        self._types.append(kind)
        return len(self._code) - 1


def _refuse(written: Type, wanted: Type, path: str) -> NoReturn:
    raise Unresolvable(path, *mismatch(written, wanted, "the writer's schema", "the reader's"))


def _ends(path: str) -> list[int]:
    """Return where each name of a path ends."""
    return [at for at, letter in enumerate(path) if letter == "."] + [len(path)]


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")


def has_bytes(kind: Type | Link) -> bool:
    """Whether values have bytes: those of a type either all have, or none has."""
    match kind:
        case Scalar():
            return kind != NULL and (kind.base != "fixed" or kind.size > 0)
        case Record(members=members):
            return any(has_bytes(member.type) for member in members)
        case _:
            return True
