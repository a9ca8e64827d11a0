"""Finds where each event ends in a block of a container file, in the stream's way of reading them."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.avro.container import Block
from scorer.avro.grammar import Array, Map, Member, Record, Scalar, Type, Union
from scorer.avro.machine import BLOCK_WIDTH, Flags, Ints, run_value
from scorer.avro.program import compile_program
from scorer.avro.reading import Bytes, Fault
from scorer.avro.rejection import explain_field

_AT_ONCE: Final = 4096  # events
_FAULT, _STEP, _AT = range(3)  # the items of what the kernel fills where it fails


class BadEnd(Exception):
    """The end of an event cannot be found; says why."""


class Splitter:
    """Splits blocks of events of a record.

    What has the wrong content and a length all the same, such as a boolean of 7, is left to the decoder: it concerns
    one event.
    """

    def __init__(self, record: Record) -> None:
        self._told = compile_program(record, {})
        self._program = compile_program(Record(_shapes(record)), {})

    def split(self, block: Block) -> Iterator[bytes]:
        """Yield the bodies of the events of a block.

        Raises:
            BadEnd: the next event has no end.
        """
        data, count = block.data, block.count
        bytes_, at, nothing = np.frombuffer(data, np.uint8), 0, np.empty((0, 0), np.int64)
        blocks, failure = np.empty((self._program.levels, BLOCK_WIDTH), np.int64), np.zeros(3, np.int64)
        null = np.empty((0, 0), np.bool_)
        while count > 0:
            stops = np.empty(min(count, _AT_ONCE), np.int64)
            code, branches = self._program.code, self._program.branches
            done = _split(code, branches, blocks, bytes_, at, nothing, null, stops, failure)
            for stop in stops[:done].tolist():
                yield data[at:stop]
                at = stop
            if done < len(stops):
                fault, step, where = failure.tolist()
                raise BadEnd(explain_field(Fault(fault), self._told, step, data[at:], where - at))
            count -= done
        if at < len(data):
            raise BadEnd(f"the block has {len(data) - at} bytes behind its last event")


class Stepper:
    """Steps over values of a type, in the stream's way of reading them.

    Args:
        kind: the type; none of a file that contains itself.
    """

    def __init__(self, kind: Type) -> None:
        self._program = compile_program(Record((Member("", _shape(kind)),)), {})
        self._blocks, self._failure = np.empty((self._program.levels, BLOCK_WIDTH), np.int64), np.zeros(3, np.int64)
        self._nothing, self._null = np.empty((0, 0), np.int64), np.empty((0, 0), np.bool_)
        self._stop = np.empty(1, np.int64)
        self._data, self._block = b"", np.empty(0, np.uint8)

    def end(self, data: bytes, at: int) -> int | None:
        """Return where the value that begins at a position ends; None where it has no end."""
        if data is not self._data:
            self._data, self._block = data, np.frombuffer(data, np.uint8)
        code, branches, blocks = self._program.code, self._program.branches, self._blocks
        nothing, null, stop, failure = self._nothing, self._null, self._stop, self._failure
        done = _split(code, branches, blocks, self._block, at, nothing, null, stop, failure)
        return int(stop[0]) if done else None


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


@kernel(
    "int64(int32[:, ::1], int32[::1], int64[:, ::1], Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1], "
    "boolean[:, ::1], int64[::1], int64[::1])",
    refcounts=False,
)
def _split(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    code: NDArray[np.int32],
    branches: NDArray[np.int32],
    blocks: Ints,
    data: Bytes,
    begin: int,
    nothing: Ints,
    null: Flags,
    stops: Ints,
    failure: Ints,
) -> int:
    """Fill where events end, and return how many do; where it is not all, `failure` says why."""
    at = np.int64(begin)
    for row in range(len(stops)):
        fault, step, at = run_value(
            code, branches, data, at, np.int64(len(data)), row, nothing, null, nothing, nothing, blocks
        )
        if fault < 0 and fault != Fault.TRAILING:
            failure[_FAULT], failure[_STEP], failure[_AT] = fault, step, at
            return row
        stops[row] = at
    return len(stops)
