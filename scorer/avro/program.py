"""A schema as a program for the decoding kernel: one instruction a value, in the order of the bytes.

A record has no instruction of its own, and neither has null: they have no bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scorer.avro.grammar import NULL, Array, Map, Record, Scalar, Type, Union


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
    UNION = 9  # SIZE: how many branches; TARGET: their first entry in `branches`
    JUMP = 10  # TARGET: the instruction to go on with
    BLOCKS = 11  # the next block of an array or map; TARGET: behind its end; SIZE: the least bytes of an item, 0 or 1
    NEXT = 12  # an item ends; TARGET: its BLOCKS


# The columns of an instruction.
OP: Final = 0
NULL_BRANCH: Final = 1  # of a value in a union with null and nothing else: which branch is null; else NEVER
SLOT: Final = 2  # the column that the value goes to, or SKIP
SIZE: Final = 3
TARGET: Final = 4
LEVEL: Final = 5  # of BLOCKS and NEXT: how many blocks are around

NEVER: Final = -1
SKIP: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions, and what errors say of each."""

    code: NDArray[np.int32]  # [instructions, the columns above]
    branches: NDArray[np.int32]  # where each branch of each UNION goes on
    levels: int  # blocks inside each other, at most
    paths: tuple[str, ...]  # the field that each instruction reads
    types: tuple[Type, ...]  # and its type


def compile_program(record: Record, slots: Mapping[str, int]) -> Program:
    """Compile a record's type; the value at each path in `slots` goes to that column, all others are skipped."""
    compiler = _Compiler(slots)
    compiler.add(record, "", 0)
    code = np.array(compiler.code, np.int32).reshape(-1, LEVEL + 1)
    branches = np.array(compiler.branches, np.int32)
    return Program(code, branches, compiler.levels, tuple(compiler.paths), tuple(compiler.types))


class _Compiler:
    def __init__(self, slots: Mapping[str, int]) -> None:
        self.code: list[list[int]] = []
        self.branches: list[int] = []
        self.levels = 0
        self.paths: list[str] = []
        self.types: list[Type] = []
        self._slots = slots

    def add(self, kind: Type, path: str, level: int, null_branch: int = NEVER) -> None:
        """Append the instructions that read a value of a type."""
        match kind:
            case Scalar(base="null"):
                pass
            case Scalar():
                size = len(kind.symbols) if kind.base == "enum" else kind.size
                at = self._emit(Op[kind.base.upper()], kind, path, size=size)
                self.code[at][NULL_BRANCH] = null_branch
                self.code[at][SLOT] = self._slots.get(path, SKIP)
            case Record(members=members):
                for member in members:
                    self.add(member.type, f"{path}.{member.name}".lstrip("."), level)
            case Union(branches=branches):
                self._union(kind, branches, path, level)
            case Array(items=items):
                self._blocks(kind, [items], path, level)
            case Map(values=values):
                self._blocks(kind, [Scalar("string"), values], path, level)

    def _emit(  # noqa: PLR0913  the columns of an instruction
        self, op: Op, kind: Type, path: str, *, size: int = 0, target: int = 0, level: int = 0
    ) -> int:
        self.code.append([op, NEVER, SKIP, size, target, level])
        self.paths.append(path)
        self.types.append(kind)
        return len(self.code) - 1

    def _union(self, kind: Union, branches: tuple[Type, ...], path: str, level: int) -> None:
        others = [branch for branch in branches if branch != NULL]
        if len(branches) == 2 and len(others) == 1 and isinstance(others[0], Scalar):  # noqa: PLR2004  null and one other
            self.add(others[0], path, level, null_branch=branches.index(NULL))
            return
        first = len(self.branches)
        self._emit(Op.UNION, kind, path, size=len(branches), target=first)
        self.branches += [0] * len(branches)
        jumps = []
        for index, branch in enumerate(branches):
            self.branches[first + index] = len(self.code)
            self.add(branch, path, level)
            jumps.append(self._emit(Op.JUMP, kind, path))
        for jump in jumps:
            self.code[jump][TARGET] = len(self.code)

    def _blocks(self, kind: Array | Map, parts: list[Type], path: str, level: int) -> None:
        self.levels = max(self.levels, level + 1)
        begin = self._emit(Op.BLOCKS, kind, path, level=level)
        for part in parts:
            self.add(part, f"{path}[]", level + 1)
        self._emit(Op.NEXT, kind, path, target=begin, level=level)
        self.code[begin][TARGET] = len(self.code)
        self.code[begin][SIZE] = min(1, sum(map(has_bytes, parts)))


def has_bytes(kind: Type) -> bool:
    """Whether values have bytes: those of a type either all have, or none has."""
    match kind:
        case Scalar():
            return kind != NULL and (kind.base != "fixed" or kind.size > 0)
        case Record(members=members):
            return any(has_bytes(member.type) for member in members)
        case _:
            return True
