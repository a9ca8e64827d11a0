"""Finds where each event ends in a block of a container file, with the kernel that decodes the stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, Ints, entry
from scorer.avro.decode.rejection import explain_field
from scorer.avro.program.compiler import Compiler
from scorer.avro.program.machine import Body, Code, Source, Table, loaded, run_value
from scorer.avro.program.program import Program
from scorer.avro.program.reading import Fault
from scorer.avro.types.grammar import Array, Map, Member, Record, Scalar, Type, Union

_AT_ONCE: Final = 4096  # events
_FAULT, _STEP, _AT = range(3)  # the items of `_Found.failure`


class _Found(NamedTuple):
    """The results of the kernel."""

    stops: Ints  # [events]: where each event ends
    failure: Ints  # [3]: fault, instruction and position, for the first event without an end


_NOTHING: Final = Table(  # a table without columns
    np.empty((0, 0), np.int64), np.empty((0, 0), np.bool_), np.empty((0, 0), np.int64), np.empty((0, 0), np.int64)
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of concatenated events.

    where: the file and the number of the block, for errors.
    count: the number of events according to the file, 0 or more.
    size:  the bytes that the block takes in the file.
    data:  the events, decompressed.
    """

    where: str
    count: int
    size: int
    data: bytes


class BadEnd(Exception):
    """The end of an event cannot be found; the text says why."""


class Splitter:
    """Splits blocks of events of one schema.

    An invalid value whose length is known, such as a boolean of 7, is left to the decoder: it concerns only one event.
    """

    def __init__(self, record: Record) -> None:
        self._program, self._code = _compiled(record), loaded(_compiled(Record(_shapes(record))))

    def split(self, block: Block) -> Iterator[bytes]:
        """Yield the bodies of the events of a block.

        Raises:
            BadEnd: the next event has no end.
        """
        data, count = block.data, block.count
        bytes_, at, failure = np.frombuffer(data, np.uint8), 0, np.zeros(3, np.int64)
        while count > 0:
            stops = np.empty(min(count, _AT_ONCE), np.int64)
            done = _split(self._code, bytes_, at, _NOTHING, _Found(stops, failure))
            for stop in stops[:done].tolist():
                yield data[at:stop]
                at = stop
            if done < len(stops):
                fault, step, where = failure.tolist()
                path, kind = self._program.paths[step], self._program.types[step]
                raise BadEnd(explain_field(Fault(fault), path, kind, data[at:], where - at))
            count -= done
        if at < len(data):
            raise BadEnd(f"the block has {len(data) - at} bytes after its last event")


class Stepper:
    """Skips values of a type, with the kernel that decodes the stream.

    Args:
        kind: the type; it must not be recursive.
    """

    def __init__(self, kind: Type) -> None:
        self._code = loaded(_compiled(Record((Member("value", _shape(kind)),))))
        self._found = _Found(np.empty(1, np.int64), np.zeros(3, np.int64))
        self._data, self._block = b"", np.empty(0, np.uint8)

    def end(self, data: bytes, at: int) -> int | None:
        """Return the position after the value that begins at `at`; None if the value is incomplete."""
        if data is not self._data:
            self._data, self._block = data, np.frombuffer(data, np.uint8)
        done = _split(self._code, self._block, at, _NOTHING, self._found)
        return int(self._found.stops[0]) if done else None


def _compiled(record: Record) -> Program:
    compiler = Compiler(record, {})
    compiler.add(record, "the file's schema")
    return compiler.program()


def _shapes(record: Record) -> tuple[Member, ...]:
    return tuple(Member(member.name, _shape(member.type)) for member in record.members)


def _shape(kind: Type) -> Type:  # noqa: PLR0911  one a kind of type
    """Return a type with as many instructions, whose values have the same lengths but no invalid content."""
    match kind:
        case Scalar(base="int" | "enum"):
            return Scalar("long")
        case Scalar(base="boolean"):
            return Scalar("fixed", size=1)
        case Record():
            return Record(_shapes(kind))
        case Array(items=inner):
            return Array(_shape(inner))
        case Map(values=inner):
            return Map(_shape(inner))
        case Union(branches=branches):
            return Union(tuple(map(_shape, branches)))
        case _:
            return kind


@entry
def _split(code: Code, data: Bytes, begin: int, nothing: Table, found: _Found) -> int:
    """Find where events end, and return how many were found; if not all were, `found.failure` says why.

    Args:
        code: the program that reads one event.
        data: uint8 [bytes], the block.
        begin: where the first event begins.
        nothing: a table without columns.
        found: output.
    """
    at, end = np.int64(begin), np.int64(len(data))
    stops, failure = found.stops, found.failure
    for row in range(len(stops)):
        fault, step, at = run_value(code, Source(data, len(data)), Body(0, row, at, end), nothing)
        if fault < 0 and fault != Fault.TRAILING:
            failure[_FAULT], failure[_STEP], failure[_AT] = fault, step, at
            return row
        stops[row] = at
    return len(stops)
