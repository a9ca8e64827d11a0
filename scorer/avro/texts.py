"""Writes the text of values that are not text in the data to a new buffer, and points the rows at it."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.avro.decimals import decimal_text
from scorer.avro.grammar import Scalar
from scorer.batch import Kind, Records

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_LONGEST_INTEGER: Final = 20  # bytes, the sign included
_UUID_TEXT: Final = 36
_ZERO: Final = ord("0")
_MINUS: Final = ord("-")
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


def write_text(  # noqa: PLR0913, PLR0917  the arrays of a column
    scalar: Scalar, kind: Kind, data: Bytes, base: int, values: Ints, null: Flags, starts: Ints, ends: Ints
) -> Bytes:
    """Write the text of every row of a column that is not null.

    Args:
        scalar: the column's type.
        kind: the column's kind.
        data: uint8 [bytes], the data of the batch.
        base: the position in the batch's data at which the text will be appended.
        values: int64 [rows], the column's numbers, or the bits of its float64.
        null: [rows].
        starts: int64 [rows], input: where the content of strings, bytes and fixed begins in `data`; output: where the
            text begins.
        ends: int64 [rows], the same for the ends.

    Returns:
        The text, uint8 [bytes]; empty if it is already in `data`.
    """
    match kind:
        case Kind.TEXT if scalar.base != "string":
            return _write_uuids(data, null, base, starts, ends)
        case Kind.TEXT | Kind.BYTES:
            return np.empty(0, np.uint8)
        case Kind.ENUM:
            return _write_symbols(scalar.symbols, values, null, base, starts, ends)
        case Kind.BOOLEAN:
            return _write_symbols(("false", "true"), values, null, base, starts, ends)
        case Kind.FLOAT | Kind.DECIMAL:  # only for an id, which is rare enough for Python
            rows = np.flatnonzero(~null)
            if kind == Kind.FLOAT:
                words = [repr(value) for value in values.view(np.float64)[rows].tolist()]
            else:
                words = [_decimal_text(data[starts[row] : ends[row]], scalar.scale) for row in rows]
            return _write_words(words, rows, base, starts, ends)
        case _:
            return _write_integers(values, null, base, starts, ends)


def write_positions(records: Records, wanted: Flags, base: int, starts: Ints, ends: Ints) -> Bytes:
    """Write the default id of the wanted rows: `topic-partition-offset`, or the row's number if it has no topic.

    Returns:
        The text, as `write_text` does.
    """
    topics, stops = end_to_end([topic.encode() for topic in records.topics])
    longest = int(np.diff(stops, prepend=0).max(initial=0)) + 2 * _LONGEST_INTEGER + 2
    out = np.empty(longest * len(records), np.uint8)
    end = _positions(topics, stops, records.topic, records.partition, records.offset, wanted, base, out, starts, ends)
    return out[:end]


def end_to_end(words: Sequence[bytes]) -> tuple[Bytes, Ints]:
    """Concatenate words; return the array, and where each word ends."""
    return np.frombuffer(b"".join(words), np.uint8), np.cumsum([len(word) for word in words], dtype=np.int64)


def _write_words(words: Sequence[str], rows: Ints, base: int, starts: Ints, ends: Ints) -> Bytes:
    made, stops = end_to_end([word.encode() for word in words])
    starts[rows], ends[rows] = base + np.concatenate(([0], stops))[:-1], base + stops
    return made


def _write_symbols(  # noqa: PLR0913, PLR0917  the arrays of a column
    symbols: Sequence[str], values: Ints, null: Flags, base: int, starts: Ints, ends: Ints
) -> Bytes:
    made, stops = end_to_end([symbol.encode() for symbol in symbols])
    index, at = np.where(null, 0, values), base + np.concatenate(([0], stops))
    starts[:], ends[:] = at[index], at.take(index + 1, mode="clip")
    return made


def _decimal_text(content: Bytes, scale: int) -> str:
    return decimal_text(int.from_bytes(content.tobytes(), "big", signed=True), scale)


def _write_integers(values: Ints, null: Flags, base: int, starts: Ints, ends: Ints) -> Bytes:
    out = np.empty(_LONGEST_INTEGER * len(values), np.uint8)
    return out[: _integers(values, null, base, out, starts, ends)]


def _write_uuids(data: Bytes, null: Flags, base: int, starts: Ints, ends: Ints) -> Bytes:
    out = np.empty(_UUID_TEXT * len(starts), np.uint8)
    return out[: _uuids(data, null, base, out, starts, ends)]


@kernel(refcounts=False)
def put_integer(value: np.int64, out: Bytes, at: int) -> int:
    """Write an integer in decimal; return the position after it."""
    rest = np.uint64(value) if value >= 0 else np.uint64(-(value + 1)) + np.uint64(1)
    if value < 0:
        out[at] = _MINUS
        at += 1
    end, bound = at + 1, rest
    while bound >= 10:  # noqa: PLR2004  decimal
        bound //= np.uint64(10)
        end += 1
    for index in range(end - 1, at - 1, -1):
        out[index] = _ZERO + np.int64(rest % np.uint64(10))
        rest //= np.uint64(10)
    return end


@kernel("int64(int64[::1], boolean[::1], int64, uint8[::1], int64[::1], int64[::1])", refcounts=False)
def _integers(  # noqa: PLR0913, PLR0917  the arrays of a column
    values: Ints, null: Flags, base: int, out: Bytes, starts: Ints, ends: Ints
) -> int:
    at = 0
    for row in range(len(values)):
        if not null[row]:
            starts[row] = base + at
            at = put_integer(values[row], out, at)
            ends[row] = base + at
    return at


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), boolean[::1], int64, uint8[::1], int64[::1], int64[::1])",
    refcounts=False,
)
def _uuids(  # noqa: PLR0913, PLR0917  the arrays of a column
    data: Bytes, null: Flags, base: int, out: Bytes, starts: Ints, ends: Ints
) -> int:
    at = 0
    for row in range(len(null)):
        if null[row]:
            continue
        source, starts[row] = starts[row], base + at
        for index in range(16):
            if index in (4, 6, 8, 10):
                out[at] = _MINUS
                at += 1
            byte = np.int64(data[source + index])
            out[at], out[at + 1] = _HEX[byte >> 4], _HEX[byte & 15]
            at += 2
        ends[row] = base + at
    return at


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int32[::1], int32[::1], int64[::1], boolean[::1], int64, "
    "uint8[::1], int64[::1], int64[::1])",
    refcounts=False,
)
def _positions(  # noqa: PLR0913, PLR0917  the arrays of records and of a column
    names: Bytes, stops: Ints, topic: NDArray[np.int32], partition: NDArray[np.int32], offset: Ints,
    wanted: Flags, base: int, out: Bytes, starts: Ints, ends: Ints,
) -> int:  # fmt: skip
    at = 0
    for row in range(len(offset)):
        if not wanted[row]:
            continue
        starts[row] = base + at
        if topic[row] >= 0:
            begin = stops[topic[row] - 1] if topic[row] > 0 else 0
            for source in range(begin, stops[topic[row]]):
                out[at] = names[source]
                at += 1
            out[at] = _MINUS
            at = put_integer(np.int64(partition[row]), out, at + 1)
            out[at] = _MINUS
            at += 1
        at = put_integer(offset[row], out, at)
        ends[row] = base + at
    return at
