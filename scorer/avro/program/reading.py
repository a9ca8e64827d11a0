# ruff: noqa: PLR2004  bytes and bits are spelled as in the specification
"""Reads scalars from bytes, for the decoding kernel: each function returns a value, and the next position or a fault.

`data` is uint8 [bytes]; a value begins at `at`, and nothing at or after `end` is read. `op` and `size` are the columns
OP and SIZE of an instruction.
"""

from enum import IntEnum

import numpy as np

from scorer.arrays.kernel import Bytes, kernel
from scorer.avro.program.program import Op


class Fault(IntEnum):
    """What is wrong with a value; negative, so that it can be returned in place of the next position."""

    TRUNCATED = -1
    LONG_VARINT = -2
    WIDE_INT = -3
    NOT_BOOLEAN = -4
    BAD_SYMBOL = -5
    BAD_BRANCH = -6
    NEGATIVE_LENGTH = -7
    BAD_COUNT = -8
    BAD_SIZE = -9
    BAD_UTF8 = -10
    TRAILING = -11
    EMPTY = -12
    TOO_LARGE = -13
    BAD_FRAMING = -14
    UNKNOWN_SCHEMA = -15
    EMPTY_DECIMAL = -16
    LONG_DECIMAL = -17
    UNRESOLVED = -18  # the writer's schema cannot provide a field that is needed
    UNEXPECTED_NULL = -19  # null, but the reader's field is not nullable
    STRANGE_SYMBOL = -20  # of an enum of the writer's, which the reader's does not have
    TOO_DEEP = -21  # values of a recursive type inside each other


@kernel
def read_long_varint(data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read a varint of any length."""
    value = np.int64(0)
    for index in range(10):
        if at + index >= end:
            return value, np.int64(Fault.TRUNCATED)
        byte = np.int64(data[at + index])
        if index == 9 and byte > 1:
            break
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return ((value >> 1) & 0x7FFF_FFFF_FFFF_FFFF) ^ -(value & 1), at + index + 1
    return value, np.int64(Fault.LONG_VARINT)


@kernel
def read_long(data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read a varint, most of which have one byte."""
    if at < end and data[at] < 0x80:
        byte = np.int64(data[at])
        return (byte >> 1) ^ -(byte & 1), at + 1
    return read_long_varint(data, at, end)


@kernel
def read_whole(op: np.int32, size: np.int32, data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read an int, long, enum or boolean."""
    if op == Op.BOOLEAN:
        if at >= end:
            return np.int64(0), np.int64(Fault.TRUNCATED)
        return np.int64(data[at]), at + 1 if data[at] <= 1 else np.int64(Fault.NOT_BOOLEAN)
    value, following = read_long(data, at, end)
    if following >= 0 and op == Op.INT and (value < -0x8000_0000 or value > 0x7FFF_FFFF):
        following = np.int64(Fault.WIDE_INT)
    if following >= 0 and op == Op.ENUM and (value < 0 or value >= size):
        following = np.int64(Fault.BAD_SYMBOL)
    return value, following


@kernel
def read_bits(data: Bytes, at: np.int64, width: int) -> np.int64:
    """Read `width` bytes as little-endian bits; the caller has checked that they are there."""
    bits = np.int64(0)
    for index in range(width):
        bits |= np.int64(data[at + index]) << (8 * index)
    return bits


@kernel
def read_real(op: np.int32, data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read a float or double, as the bits of a float64."""
    if op == Op.FLOAT:
        if end - at < 4:
            return np.int64(0), np.int64(Fault.TRUNCATED)
        single = np.uint32(read_bits(data, at, 4)).view(np.float32)
        return np.float64(single).view(np.int64), at + 4
    if end - at < 8:
        return np.int64(0), np.int64(Fault.TRUNCATED)
    return read_bits(data, at, 8), at + 8


@kernel
def read_span(op: np.int32, size: np.int32, data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read bytes, string or fixed; the value returned is the position where the content begins."""
    length = np.int64(size)
    if op != Op.FIXED:
        length, at = read_long(data, at, end)
        if at < 0:
            return at, at
        if length < 0:
            return at, np.int64(Fault.NEGATIVE_LENGTH)
    return at, at + length if length <= end - at else np.int64(Fault.TRUNCATED)
