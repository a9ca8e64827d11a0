"""Describes in words, for `scorer schemas`, what a writer's schema provides for a needed field."""

from dataclasses import dataclass

from scorer.avro.framing.door import Written
from scorer.avro.grammar import Record, Type, without_null
from scorer.avro.likeness import paired, words
from scorer.avro.program import SLOT, Compiler
from scorer.avro.schema import Schema


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


def mapped(written: Written, reader: Schema, field: str) -> Mapped:
    """Return where a field of the reader's schema comes from."""
    compiler = Compiler(reader.record, {field: 0})
    compiler.add(written.kind, written.name)
    program = compiler.program()
    source = _source(written.kind, reader.record, field.split("."))
    steps = [step for step in range(len(program.code)) if program.code[step, SLOT] == 0]
    kind = " or ".join(dict.fromkeys(words(program.types[step]) for step in steps)) if source else ""
    return Mapped(field, source, kind, "; ".join(program.notes.values()))


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
