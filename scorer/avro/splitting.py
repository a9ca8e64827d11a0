"""Finds where each event ends in a block of a container file, in the stream's way of reading them."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, Ints, entry
from scorer.avro.grammar import Array, Map, Member, Record, Scalar, Type, Union
from scorer.avro.machine import BLOCK_WIDTH, Code, Table, run_value
from scorer.avro.program import Compiler, Program
from scorer.avro.reading import Fault
from scorer.avro.rejection import explain_field

_AT_ONCE: Final = 4096  # events
_FAULT, _STEP, _AT = range(3)  # the items of what the kernel fills where it fails


class _Found(NamedTuple):
    """What is found in a block."""

    stops: Ints  # [events]: where each ends
    failure: Ints  # [3]: the fault, the instruction and the position of the first that has no end


class BadEnd(Exception):
    """The end of an event cannot be found; says why."""


class Splitter:
    """Splits blocks of events of a record.

    What has the wrong content and a length all the same, such as a boolean of 7, is left to the decoder: it concerns
    one event.
    """

    def __init__(self, record: Record) -> None:
        self._told, self._program = _compiled(record), _compiled(Record(_shapes(record)))

    def split(self, data: bytes, count: int) -> Iterator[bytes]:
        """Yield the bodies of the first events of a block.

        Args:
            data: the block.
            count: how many events.

        Raises:
            BadEnd: the next event has no end.
        """
        block, at, nothing = np.frombuffer(data, np.uint8), 0, np.empty((0, 0), np.int64)
        program, failure = self._program, np.zeros(3, np.int64)
        blocks = np.empty((program.levels, BLOCK_WIDTH), np.int64)
        code = Code(program.code, program.tables, program.entries, blocks)
        table = Table(nothing, np.empty((0, 0), np.bool_), nothing, nothing)
        while count > 0:
            stops = np.empty(min(count, _AT_ONCE), np.int64)
            done = _split(code, block, at, table, _Found(stops, failure))
            for stop in stops[:done].tolist():
                yield data[at:stop]
                at = stop
            if done < len(stops):
                fault, step, where = failure.tolist()
                path, kind = self._told.paths[step], self._told.types[step]
                raise BadEnd(explain_field(Fault(fault), path, kind, data[at:], where - at))
            count -= done
        if at < len(data):
            raise BadEnd(f"the block has {len(data) - at} bytes behind its last event")


def _compiled(record: Record) -> Program:
    compiler = Compiler(record, {})
    compiler.add(record, "the file's schema")
    return compiler.program()


def _shapes(record: Record) -> tuple[Member, ...]:
    return tuple(Member(member.name, _shape(member.type)) for member in record.members)


def _shape(kind: Type) -> Type:  # noqa: PLR0911  one a kind of type
    """Return a type with the same instructions, whose values end where those of another do, whatever is in them."""
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
    """Find where events end, and return how many do; where it is not all, `found.failure` says why.

    Args:
        code: reads one of them.
        data: uint8 [bytes], the block.
        begin: where the first one begins.
        nothing: a table without columns.
        found: is filled.
    """
    at, end = np.int64(begin), np.int64(len(data))
    stops, failure = found.stops, found.failure
    for row in range(len(stops)):
        fault, step, at = run_value(code, 0, data, len(data), at, end, row, nothing)
        if fault < 0 and fault != Fault.TRAILING:
            failure[_FAULT], failure[_STEP], failure[_AT] = fault, step, at
            return row
        stops[row] = at
    return len(stops)
