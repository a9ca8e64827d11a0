"""Writes the text of values that are not text in the data to a new buffer, and points the rows at it."""

import functools
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, BytesOut, Flags, Ints, Ints32, entry, kernel
from scorer.avro.program.machine import Line
from scorer.avro.types.grammar import Scalar
from scorer.avro.values.decimals import decimal_text
from scorer.avro.values.words import Words, end_to_end
from scorer.batch import Kind, Records

_LONGEST_INTEGER: Final = 20  # bytes, the sign included
_UUID_TEXT: Final = 36
_ZERO: Final = ord("0")
_MINUS: Final = ord("-")
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


class Ids(NamedTuple):
    """The ids of events, of which some are still to be written."""

    unset: Flags  # [rows]: whether a row has none yet
    starts: Ints  # [rows]: where each begins in the data
    ends: Ints  # [rows]: where it ends


class _Places(NamedTuple):
    """Where records come from; see `Records`."""

    topic: Ints32  # [rows]
    partition: Ints32  # [rows]
    offset: Ints  # [rows]


def is_in_data(scalar: Scalar, kind: Kind) -> bool:
    """Whether the text of a column is its content, so that nothing is written for it."""
    return kind == Kind.BYTES or (kind == Kind.TEXT and scalar.base == "string")


def write_text(scalar: Scalar, kind: Kind, data: Bytes, base: int, line: Line) -> Bytes:
    """Write the text of every row of a column that is not null, and whose text is not in the data (`is_in_data`).

    Args:
        scalar: the column's type.
        kind: the column's kind.
        data: uint8 [bytes], the data of the batch.
        base: the position in the batch's data at which the text will be appended.
        line: the column. Input: its starts and ends are those of the content of bytes and fixed in `data`; output:
            those of the text.

    Returns:
        The text, uint8 [bytes].
    """
    match kind:
        case Kind.TEXT:
            return _write_uuids(data, line, base)
        case Kind.ENUM:
            return _write_symbols(scalar.symbols, line, base)
        case Kind.BOOLEAN:
            return _write_symbols(("false", "true"), line, base)
        case Kind.FLOAT | Kind.DECIMAL:  # only for an id, which is rare enough for Python
            rows = np.flatnonzero(~line.null)
            if kind == Kind.FLOAT:
                words = [repr(value) for value in line.values.view(np.float64)[rows].tolist()]
            else:
                words = [_decimal_text(data[line.starts[row] : line.ends[row]], scalar.scale) for row in rows]
            return _write_words(words, rows, line, base)
        case _:
            return _write_integers(line, base)


def write_positions(records: Records, ids: Ids, base: int) -> Bytes:
    """Write the default id of rows without one: `topic-partition-offset`, or the row's number if it has no topic.

    Args:
        records: the batch.
        ids: the rows to fill.
        base: the position in the batch's data at which the text will be appended.

    Returns:
        The text, as `write_text` does.
    """
    topics = end_to_end([topic.encode() for topic in records.topics])
    longest = int(np.diff(topics.ends, prepend=0).max(initial=0)) + 2 * _LONGEST_INTEGER + 2
    out = np.empty(longest * len(records), np.uint8)
    places = _Places(records.topic, records.partition, records.offset)
    return out[: _positions(topics, places, ids, base, out)]


def _write_words(words: Sequence[str], rows: Ints, line: Line, base: int) -> Bytes:
    made, stops = end_to_end([word.encode() for word in words])
    line.starts[rows], line.ends[rows] = base + np.concatenate(([0], stops))[:-1], base + stops
    return made


def _write_symbols(symbols: tuple[str, ...], line: Line, base: int) -> Bytes:
    made, edges = _symbols(symbols)
    index, at = np.where(line.null, 0, line.values), base + edges
    line.starts[:], line.ends[:] = at[index], at.take(index + 1, mode="clip")
    return made


@functools.cache
def _symbols(symbols: tuple[str, ...]) -> tuple[Bytes, Ints]:
    """Return symbols end to end, and where each begins, with the end of the last."""
    made, stops = end_to_end([symbol.encode() for symbol in symbols])
    return made, np.concatenate(([0], stops))


def _decimal_text(content: Bytes, scale: int) -> str:
    return decimal_text(int.from_bytes(content.tobytes(), "big", signed=True), scale)


def _write_integers(line: Line, base: int) -> Bytes:
    out = np.empty(_LONGEST_INTEGER * len(line.null), np.uint8)
    return out[: _integers(line, base, out)]


def _write_uuids(data: Bytes, line: Line, base: int) -> Bytes:
    out = np.empty(_UUID_TEXT * len(line.null), np.uint8)
    return out[: _uuids(data, line, base, out)]


@kernel
def put_integer(value: np.int64, out: BytesOut, at: int) -> int:
    """Write an integer in decimal to `out`, uint8 [bytes]; return the position after it."""
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


@entry
def _integers(line: Line, base: int, out: BytesOut) -> int:
    """Write the integers of a column in decimal; returns how many bytes they took.

    Args:
        line: the column; where each text begins and ends is filled in.
        base: where the texts will stand.
        out: uint8 [bytes], output.
    """
    at = 0
    for row in range(len(line.null)):
        if not line.null[row]:
            line.starts[row] = base + at
            at = put_integer(line.values[row], out, at)
            line.ends[row] = base + at
    return at


@entry
def _uuids(data: Bytes, line: Line, base: int, out: BytesOut) -> int:
    """Write the UUIDs of a column as text; returns how many bytes they took.

    Args:
        data: uint8 [bytes], the batch's: 16 bytes for each UUID.
        line: the column, which says where each UUID begins; then where each text begins and ends.
        base: where the texts will stand.
        out: uint8 [bytes], output.
    """
    at = 0
    for row in range(len(line.null)):
        if line.null[row]:
            continue
        source, line.starts[row] = line.starts[row], base + at
        for index in range(16):
            if index in (4, 6, 8, 10):
                out[at] = _MINUS
                at += 1
            byte = np.int64(data[source + index])
            out[at], out[at + 1] = _HEX[byte >> 4], _HEX[byte & 15]
            at += 2
        line.ends[row] = base + at
    return at


@entry
def _positions(topics: Words, places: _Places, ids: Ids, base: int, out: BytesOut) -> int:
    """Write the ids of the rows that have none; returns how many bytes they took.

    Args:
        topics: the names of the topics.
        places: [rows], where each record comes from; below 0 for a record of no topic.
        ids: [rows]; where each id that is written begins and ends is filled in.
        base: where they will stand.
        out: uint8 [bytes], output.
    """
    names, stops, topic = topics.data, topics.ends, places.topic
    at = 0
    for row in range(len(places.offset)):
        if not ids.unset[row]:
            continue
        ids.starts[row] = base + at
        if topic[row] >= 0:
            begin = stops[topic[row] - 1] if topic[row] > 0 else 0
            for source in range(begin, stops[topic[row]]):
                out[at] = names[source]
                at += 1
            out[at] = _MINUS
            at = put_integer(np.int64(places.partition[row]), out, at + 1)
            out[at] = _MINUS
            at += 1
        at = put_integer(places.offset[row], out, at)
        ids.ends[row] = base + at
    return at
