"""The kernel that runs a program over a batch of values.

Nothing here allocates by a length in the data, and the work is bounded by the bytes: an item of a block either has a
byte at least, or is not looped over. Positions are in the batch's data, until a failure is recorded.
"""

from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scorer.avro.program import LEVEL, NEVER, NULL_BRANCH, OP, SIZE, SKIP, SLOT, TARGET, Op
from scorer.avro.utf8 import is_utf8
from scorer.kernel import kernel

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.int64]


class Fault(IntEnum):
    """What is wrong with a value; negative, so that a reader returns it in place of the next position."""

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


# The columns of a failure.
ROW: Final = 0
FAULT: Final = 1
STEP: Final = 2  # the instruction
AT: Final = 3  # where what cannot be read begins, in bytes from the beginning of the value
FAILURE_WIDTH: Final = 4

MARKER: Final = 2  # bytes of a single-object header before the fingerprint
NO_LIMIT: Final = -1  # of a block that does not say how many bytes it has


@kernel()
def read_long(data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read a varint; returns its value, and the next position or a fault."""
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


@kernel()
def read_bits(data: Bytes, at: np.int64, width: int) -> np.int64:
    """Read little-endian bits; whoever calls it has seen that the bytes are there."""
    bits = np.int64(0)
    for index in range(width):
        bits |= np.int64(data[at + index]) << (8 * index)
    return bits


@kernel()
def read_number(op: np.int32, size: np.int32, data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read what is not longer than eight bytes; returns the column's 64 bits, and the next position or a fault."""
    if op == Op.FLOAT:
        if end - at < 4:
            return np.int64(0), np.int64(Fault.TRUNCATED)
        single = np.uint32(read_bits(data, at, 4)).view(np.float32)
        return np.float64(single).view(np.int64), at + 4
    if op == Op.DOUBLE:
        if end - at < 8:
            return np.int64(0), np.int64(Fault.TRUNCATED)
        return read_bits(data, at, 8), at + 8
    if op == Op.BOOLEAN:
        if at >= end:
            return np.int64(0), np.int64(Fault.TRUNCATED)
        return np.int64(data[at]), at + 1 if data[at] <= 1 else np.int64(Fault.NOT_BOOLEAN)
    value, following = read_long(data, at, end)
    if following >= 0 and op == Op.INT and (value < -0x8000_0000 or value > 0x7FFF_FFFF):
        return value, np.int64(Fault.WIDE_INT)
    if following >= 0 and op == Op.ENUM and (value < 0 or value >= size):
        return value, np.int64(Fault.BAD_SYMBOL)
    return value, following


@kernel()
def read_span(op: np.int32, size: np.int32, data: Bytes, at: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """Read bytes, string or fixed; returns where its content begins, and where it ends or a fault."""
    length = np.int64(size)
    if op != Op.FIXED:
        length, at = read_long(data, at, end)
        if at < 0:
            return at, at
        if length < 0:
            return at, np.int64(Fault.NEGATIVE_LENGTH)
    return at, at + length if length <= end - at else np.int64(Fault.TRUNCATED)


@kernel()
def go_on(
    instruction: NDArray[np.int32],
    branches: NDArray[np.int32],
    step: np.int64,
    data: Bytes,
    at: np.int64,
    end: np.int64,
    left: Ints,
    limits: Ints,
) -> tuple[np.int64, np.int64]:
    """Do an instruction that reads no value itself; returns the next step, and the next position or a fault."""
    op, level, target = instruction[OP], instruction[LEVEL], np.int64(instruction[TARGET])
    if op == Op.JUMP:
        return target, at
    if op == Op.NEXT:
        left[level] -= 1
        if left[level] > 0:
            return target + 1, at
        return target, at if limits[level] in (NO_LIMIT, at) else np.int64(Fault.BAD_SIZE)
    number, at = read_long(data, at, end)
    if at < 0:
        return step, at
    if op == Op.UNION:
        if number < 0 or number >= instruction[SIZE]:
            return step, np.int64(Fault.BAD_BRANCH)
        return np.int64(branches[target + number]), at
    if number == 0:
        return target, at
    if number > end - at or number < at - end:
        return step, np.int64(Fault.BAD_COUNT)
    left[level] = abs(number) if instruction[SIZE] else 1
    limits[level] = NO_LIMIT
    if number < 0:
        size, at = read_long(data, at, end)
        if at < 0:
            return step, at
        if size < 0:
            return step, np.int64(Fault.NEGATIVE_LENGTH)
        limits[level] = at + size
    return step + 1, at if limits[level] <= end else np.int64(Fault.TRUNCATED)


@kernel()
def judge(data: Bytes, begin: np.int64, end: np.int64, header: Bytes, max_bytes: np.int64) -> np.int64:
    """Look at a value from outside; returns a fault, or 0."""
    if begin == end:
        return np.int64(Fault.EMPTY)
    if end - begin > max_bytes:
        return np.int64(Fault.TOO_LARGE)
    if end - begin < len(header):
        return np.int64(Fault.BAD_FRAMING)
    for index in range(len(header)):
        if data[begin + index] != header[index]:
            return np.int64(Fault.BAD_FRAMING if index < MARKER else Fault.UNKNOWN_SCHEMA)
    return np.int64(0)


@kernel()
def run_value(
    code: NDArray[np.int32],
    branches: NDArray[np.int32],
    data: Bytes,
    at: np.int64,
    end: np.int64,
    row: int,
    values: Ints,
    null: NDArray[np.bool_],
    starts: Ints,
    ends: Ints,
    left: Ints,
    limits: Ints,
) -> tuple[np.int64, np.int64, np.int64]:
    """Run the program over one value; returns a fault or 0, the step it ended at, and the position."""
    step = np.int64(0)
    while step < len(code):
        op, slot, null_branch, size = code[step, OP], code[step, SLOT], code[step, NULL_BRANCH], code[step, SIZE]
        begin = at
        if op >= Op.UNION:
            step, at = go_on(code[step], branches, step, data, at, end, left, limits)
            if at < 0:
                return at, step, begin
            continue
        if null_branch != NEVER:
            branch, at = read_long(data, at, end)
            if at >= 0 and branch == null_branch:
                step += 1
                continue
            if at >= 0 and branch != 1 - null_branch:
                at = np.int64(Fault.BAD_BRANCH)
            if at < 0:
                return at, step, begin
            begin = at
        if op <= Op.DOUBLE:
            value, at = read_number(op, size, data, at, end)
        else:
            value, at = read_span(op, size, data, at, end)
            if slot != SKIP and at >= 0:
                starts[slot, row], ends[slot, row] = value, at
                if op == Op.STRING and not is_utf8(data, value, at):
                    at = np.int64(Fault.BAD_UTF8)
        if at < 0:
            return at, step, begin
        if slot != SKIP:
            values[slot, row], null[slot, row] = value, False
        step += 1
    return np.int64(0 if at == end else Fault.TRAILING), step, at


@kernel(
    "int64(int32[:, ::1], int32[::1], int64, Array(uint8, 1, 'C', readonly=True), int64[::1], "
    "Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1], boolean[:, ::1], int64[:, ::1], int64[:, ::1], "
    "int64[:, ::1])"
)
def run(
    code: NDArray[np.int32],
    branches: NDArray[np.int32],
    levels: int,
    data: Bytes,
    stops: Ints,
    header: Bytes,
    max_bytes: int,
    values: Ints,
    null: NDArray[np.bool_],
    starts: Ints,
    ends: Ints,
    failures: Ints,
) -> int:
    """Run a program over every value of a batch; returns how many failed.

    Args:
        code: the program; see `Program`, for `branches` and `levels` too.
        branches: int32 [entries].
        levels: blocks inside each other.
        data: uint8 [bytes], every value end to end.
        stops: int64 [rows], where each ends.
        header: uint8, what each begins with; may be empty.
        max_bytes: of a value.
        values: int64 [slots, rows], filled with numbers: integers, or the bits of a float64.
        null: [slots, rows], all True; cleared where there is a value.
        starts: int64 [slots, rows], filled with where the content of strings, bytes and fixed begins in `data`.
        ends: int64 [slots, rows], filled with where it ends.
        failures: int64 [rows, FAILURE_WIDTH], filled from the top with the rows that failed, ascending.
    """
    left, limits = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
    failed, begin = 0, np.int64(0)
    for row in range(len(stops)):
        end, step, at = stops[row], np.int64(0), begin
        fault = judge(data, begin, end, header, max_bytes)
        if fault == 0:
            at += len(header)
            fault, step, at = run_value(code, branches, data, at, end, row, values, null, starts, ends, left, limits)
        if fault < 0:
            failures[failed] = (row, fault, step, at - begin)
            null[:, row] = True
            failed += 1
        begin = end
    return failed
