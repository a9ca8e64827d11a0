"""The values of Feast's online store: protobuf messages `Value` and `Timestamp`, read without protobuf.

A `Value` has one field, whose number says the type. A null has no bytes at all, and neither has a NaN; a
time that is null is the least of all numbers.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.floats import NO_TEXT, parse
from scorer.arrays.kernel import Bytes, Codes, Floats, Ints, entry, kernel
from scorer.arrays.spans import word
from scorer.store.redis.resp import VALUE, Cells, Marks

NULL, NUMBER, TEXT, OTHER = (np.uint8(each) for each in range(4))  # what a value is; an absent one is NULL, too
STRING_TAG, INT32_TAG, INT64_TAG, DOUBLE_TAG, FLOAT_TAG, BOOL_TAG, TIME_TAG = 0x12, 0x18, 0x20, 0x29, 0x35, 0x38, 0x40
NULL_TAG = 0x98  # of the first of its three bytes; also that of other types of which no number is made
NULL_BYTES = 3
SECONDS_TAG, NANOS_TAG = 0x08, 0x10  # of a Timestamp
VARINT_BITS = 70  # of the longest varint, seven bits in each byte
SEVEN, EIGHTH, LOW_SEVEN, HALF = np.uint64(7), np.uint64(0x80), np.uint64(0x7F), np.uint64(32)
LOW_HALF, SIGN_OF_HALF = np.uint64(0xFFFFFFFF), np.uint64(0x80000000)
FOUR, ZERO = np.uint64(4), np.uint64(0)
NO_TIME = np.uint64(1 << 63)
TO_NEGATIVE = float(1 << 32)
NANO = 1e9  # in a second
MALFORMED = -1  # in place of a position


class Parsed(NamedTuple):
    """Parsed values.

    numbers: [cells], NaN for what is not a number; times in Unix seconds, minus infinity if absent or malformed.
    found:   [cells], what each value is: NULL, NUMBER, TEXT (a text that is not a number) or OTHER.
    """

    numbers: Floats
    found: Codes


def parse_values(cells: Cells, features: int, width: int) -> Parsed:
    """Parse the values of HMGET.

    Args:
        cells:    the values, in the order of the keys.
        features: how many of the values of a key are features; they come first, and the others are times.
        width:    how many values each key has.
    """
    count, ends = len(cells.kinds), cells.marks[2]
    parsed = Parsed(np.empty(count), np.empty(count, np.uint8))
    texts = np.full(count, NO_TEXT)
    if decode(cells.data, Marks(*cells.marks), _Shape(features, width), parsed, texts):
        numbers, numeric = parse(cells.data, texts, ends)
        parsed.numbers[numeric], parsed.found[numeric] = numbers[numeric], NUMBER
    return parsed


def why_no_number(value: bytes) -> str:
    """Describe a value that is not a number, for messages; empty for a number or a null."""
    marks = np.array([[VALUE], [0], [len(value)]])
    found = parse_values(Cells(np.frombuffer(bytearray(value), np.uint8), marks), 1, 1).found[0]
    if found == TEXT:
        return f"the text {value[2:42]!r}"
    return f"{value[:20]!r}" if found == OTHER else ""


def text_of(value: bytes) -> str:
    """Return a value as text: a number as Python writes it, nothing for a null, and a mark for what is no number."""
    marks = np.array([[VALUE], [0], [len(value)]])
    parsed = parse_values(Cells(np.frombuffer(bytearray(value), np.uint8), marks), 1, 1)
    return {NUMBER: str(float(parsed.numbers[0])), NULL: ""}.get(parsed.found[0], "?")


@kernel
def varint(data: NDArray[np.uint8], at: int, end: int) -> tuple[np.uint64, int]:
    """Return a number of 64 bits and where it ends; MALFORMED if it ends too late or not at all."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < VARINT_BITS:
        byte = np.uint64(data[at])
        value |= (byte & LOW_SEVEN) << shift
        shift += SEVEN
        at += 1
        if byte < EIGHTH:
            return value, at
    return value, MALFORMED


@kernel
def timestamp(data: NDArray[np.uint8], at: int, end: int, bits: NDArray[np.uint64], cell: int) -> float:
    """Return Unix seconds; minus infinity if the message is malformed. What is in the cell is overwritten."""
    seconds, nanos = 0.0, 0.0
    while at < end:
        tag = data[at]
        bits[cell], at = varint(data, at + 1, end)
        if at == MALFORMED or tag not in (SECONDS_TAG, NANOS_TAG):
            return -np.inf
        if tag == SECONDS_TAG:
            seconds = float(bits.view(np.int64)[cell])
        else:
            nanos = float(bits.view(np.int64)[cell])
    return seconds + nanos / NANO


@kernel
def text_start(data: NDArray[np.uint8], start: int, end: int) -> int:
    """Return where the text in a value starts; NO_TEXT if its length is not that of the rest."""
    size, at = varint(data, start + 1, end)
    return at if at != MALFORMED and size == np.uint64(end - at) else NO_TEXT


@kernel
def is_null(data: NDArray[np.uint8], start: int, end: int) -> bool:
    """Return whether a value is a null: no bytes, a null time, or a message with the null field."""
    if start == end:
        return True
    if data[start] == TIME_TAG:
        value, at = varint(data, start + 1, end)
        return bool(at == end and value == NO_TIME)
    explicit = end - start == NULL_BYTES and data[start] == NULL_TAG
    return bool(explicit and data[start + 1] == 1 and data[start + 2] == 0)


@kernel
def number(data: NDArray[np.uint8], start: int, end: int, bits: NDArray[np.uint64], cell: int) -> np.uint8:
    """Write the bits of a number, and return what the value is; TEXT is not checked any further."""
    tag, at = data[start], start + 1
    if tag == STRING_TAG:
        return TEXT
    if tag == DOUBLE_TAG and end - at == 8:  # noqa: PLR2004  bytes of a double
        bits[cell] = np.uint64(word(data, np.uint64(at))) | np.uint64(word(data, np.uint64(at) + FOUR)) << HALF
        return NUMBER
    if tag == FLOAT_TAG and end - at == 4:  # noqa: PLR2004  bytes of a float
        bits.view(np.uint32)[2 * cell] = word(data, np.uint64(at))
        bits.view(np.float64)[cell] = bits.view(np.float32)[2 * cell]
        return NUMBER
    if tag not in (INT32_TAG, INT64_TAG, BOOL_TAG, TIME_TAG):
        return OTHER
    value, at = varint(data, at, end)
    if at != end:
        return OTHER
    numbers = bits.view(np.float64)
    if tag == BOOL_TAG:
        numbers[cell] = 1.0 if value != ZERO else 0.0
    elif tag == INT32_TAG:
        value &= LOW_HALF
        numbers[cell] = float(value) - (TO_NEGATIVE if value >= SIGN_OF_HALF else 0.0)
    else:
        bits[cell] = value
        numbers[cell] = bits.view(np.int64)[cell]
    return NUMBER


class _Shape(NamedTuple):
    """What the values of a key are, as in `parse_values`."""

    features: int
    width: int


@entry
def decode(data: Bytes, marks: Marks, shape: _Shape, parsed: Parsed, texts: Ints) -> int:
    """Parse all values except texts.

    Args:
        data: uint8 [bytes], which contain the values.
        marks: [cells], the values.
        shape: what the values of a key are.
        parsed: output.
        texts: [cells], output where a value is a text: where the text starts; it ends where the value does.

    Returns:
        How many texts there are.
    """
    bits = parsed.numbers.view(np.uint64)
    count = 0
    for cell in range(len(marks.kinds)):
        start, end = marks.starts[cell], marks.ends[cell]
        parsed.found[cell] = NULL
        if cell % shape.width >= shape.features:
            there = marks.kinds[cell] == VALUE
            parsed.numbers[cell] = timestamp(data, start, end, bits, cell) if there else -np.inf
            continue
        parsed.numbers[cell] = np.nan
        if marks.kinds[cell] == VALUE and not is_null(data, start, end):
            found = number(data, start, end, bits, cell)
            if found == TEXT:
                texts[cell] = text_start(data, start, end)
                found = TEXT if texts[cell] != NO_TEXT else OTHER
                count += found == TEXT
            if found != NUMBER:
                parsed.numbers[cell] = np.nan
            parsed.found[cell] = found
    return count
