"""Describes in words, for `scorer schemas`, what a writer's schema provides for a needed field."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scorer.avro.framing.interface import Written
from scorer.avro.program.compiler import Compiler
from scorer.avro.program.program import SLOT, Program
from scorer.avro.schema.schema import Schema
from scorer.avro.types.grammar import Record, Type, without_null
from scorer.avro.types.likeness import paired, words


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where a field of the reader's schema comes from.

    field:   its path.
    source:  its path in the writer's schema; empty if the reader's default is used.
    kind:    the writer's type.
    problem: why it cannot be provided, or not for every value; empty if it can.
    """

    field: str
    source: str
    kind: str
    problem: str = ""


def mapped(written: Written, reader: Schema, fields: Sequence[str]) -> tuple[Mapped, ...]:
    """Return where some fields of the reader's schema come from.

    Args:
        written: a writer's schema.
        reader: the reader's.
        fields: paths of the reader's.
    """
    program = _program(written, reader, fields)
    if program.notes and len(fields) > 1:  # it does not say which of the fields has a problem
        return tuple(each for field in fields for each in mapped(written, reader, [field]))
    problem = "; ".join(program.notes.values())
    return tuple(
        Mapped(field, source, _kind(program, slot) if source else "", problem)
        for slot, field in enumerate(fields)
        for source in [_source(written.kind, reader.record, field.split("."))]
    )


def _program(written: Written, reader: Schema, fields: Sequence[str]) -> Program:
    """Return the program that reads some fields, each into the column of its place among them."""
    compiler = Compiler(reader.record, {field: slot for slot, field in enumerate(fields)})
    compiler.add(written.kind, written.name)
    return compiler.program()


def _kind(program: Program, slot: int) -> str:
    """Return the writer's type of what a column is read from, in words."""
    steps = np.flatnonzero(program.code[:, SLOT] == slot)
    return " or ".join(dict.fromkeys(words(program.types[step]) for step in steps))


def _source(written: object, wanted: Type, names: list[str]) -> str:
    """Return the path of a field in the writer's schema; empty if the writer does not have it."""
    found = []
    for name in names:
        theirs = next((each for each in _choices(written) if isinstance(each, Record)), None)
        ours, _ = without_null(wanted)
        if theirs is None or not isinstance(ours, Record):
            return ""
        pairs = {member.name: own for own, member in paired(theirs, ours).items()}
        if name not in pairs:
            return ""
        found.append(pairs[name])
        written = next(member.type for member in theirs.members if member.name == pairs[name])
        wanted = next(member.type for member in ours.members if member.name == name)
    return ".".join(found)


def _choices(written: object) -> tuple[object, ...]:
    return getattr(written, "branches", (written,))


def has_default(reader: Schema, field: str) -> bool:
    """Whether a field that no writer has can be filled from the reader's defaults."""
    wanted: Type = reader.record
    for name in field.split("."):
        ours, _ = without_null(wanted)
        member = next(each for each in ours.members if each.name == name) if isinstance(ours, Record) else None
        if member is None:
            return False
        if member.default is not None:
            return True
        wanted = member.type
    return False
