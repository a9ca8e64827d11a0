"""The kernel that runs a program over a batch of values.

Nothing here allocates by a length in the data, and the work is bounded by the bytes: an item of a block either has a
byte at least, or is not looped over. Positions are in the batch's data, until a failure is recorded.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.arrays.utf8 import is_utf8
from scorer.avro.program import LEVEL, NEVER, NULL_BRANCH, OP, SIZE, SKIP, SLOT, TARGET, Op
from scorer.avro.reading import Bytes, Fault, read_long, read_real, read_span, read_whole

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


# The columns of a failure.
ROW: Final = 0
FAULT: Final = 1
STEP: Final = 2  # the instruction
AT: Final = 3  # where what cannot be read begins, in bytes from the beginning of the value
FAILURE_WIDTH: Final = 4

MARKER: Final = 2  # bytes of a single-object header before the fingerprint
# The columns of a block.
LEFT: Final = 0  # items to be read
LIMIT: Final = 1  # where it ends, or NO_LIMIT where it does not say
BLOCK_WIDTH: Final = 2

NO_LIMIT: Final = -1


@kernel(refcounts=False)
def read_field(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    code: NDArray[np.int32],
    step: np.int64,
    data: Bytes,
    at: np.int64,
    end: np.int64,
    row: int,
    values: Ints,
    null: Flags,
    starts: Ints,
    ends: Ints,
) -> tuple[np.int64, np.int64]:
    """Read a value into its column, if it has one; returns where it begins, and the next position or a fault."""
    op, null_branch, slot = code[step, OP], code[step, NULL_BRANCH], code[step, SLOT]
    if null_branch != NEVER:
        branch, following = read_long(data, at, end)
        if following >= 0 and branch != null_branch and branch != 1 - null_branch:
            following = np.int64(Fault.BAD_BRANCH)
        if following < 0 or branch == null_branch:
            return at, following
        at = following
    if op < Op.FLOAT:
        value, following = read_whole(op, code[step, SIZE], data, at, end)
    elif op < Op.BYTES:
        value, following = read_real(op, data, at, end)
    else:
        value, following = read_span(op, code[step, SIZE], data, at, end)
    if slot == SKIP or following < 0:
        return at, following
    if op >= Op.BYTES:
        starts[slot, row], ends[slot, row] = value, following
        if op == Op.STRING and not is_utf8(data, value, following):
            return at, np.int64(Fault.BAD_UTF8)
    values[slot, row], null[slot, row] = value, False
    return at, following


@kernel(refcounts=False)
def begin_block(  # noqa: PLR0913, PLR0917  the same
    code: NDArray[np.int32], step: np.int64, data: Bytes, at: np.int64, end: np.int64, blocks: Ints
) -> tuple[np.int64, np.int64]:
    """Read the head of a block; returns how many items are to be read, and the next position or a fault."""
    level = code[step, LEVEL]
    count, at = read_long(data, at, end)
    if at >= 0 and (count > end - at or count < at - end):
        at = np.int64(Fault.BAD_COUNT)
    if at < 0:
        return count, at
    blocks[level, LIMIT] = NO_LIMIT
    if count < 0:
        count = -count
        size, at = read_long(data, at, end)
        if at >= 0 and (size < 0 or size > end - at):
            at = np.int64(Fault.NEGATIVE_LENGTH if size < 0 else Fault.TRUNCATED)
        if at < 0:
            return count, at
        blocks[level, LIMIT] = at + size
    blocks[level, LEFT] = count if code[step, SIZE] > 0 else min(count, np.int64(1))
    return count, at


@kernel(refcounts=False)
def go_on(  # noqa: PLR0913, PLR0917  the same
    code: NDArray[np.int32],
    step: np.int64,
    branches: NDArray[np.int32],
    data: Bytes,
    at: np.int64,
    end: np.int64,
    blocks: Ints,
) -> tuple[np.int64, np.int64]:
    """Do an instruction that reads no value itself; returns the next step, and the next position or a fault."""
    op, level, target = code[step, OP], code[step, LEVEL], np.int64(code[step, TARGET])
    if op == Op.UNION:
        branch, at = read_long(data, at, end)
        if at >= 0 and (branch < 0 or branch >= code[step, SIZE]):
            at = np.int64(Fault.BAD_BRANCH)
        return np.int64(branches[target + branch]) if at >= 0 else step, at
    if op == Op.BLOCKS:
        count, at = begin_block(code, step, data, at, end, blocks)
        return step + 1 if count > 0 else target, at
    if op == Op.NEXT:
        blocks[level, LEFT] -= 1
        if blocks[level, LEFT] > 0:
            return target + 1, at
        if blocks[level, LIMIT] not in (NO_LIMIT, at):
            return step, np.int64(Fault.BAD_SIZE)
    return target, at


@kernel(refcounts=False)
def judge(data: Bytes, begin: np.int64, end: np.int64, header: Bytes, max_bytes: int) -> np.int64:
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


@kernel(refcounts=False)
def run_value(  # noqa: PLR0913, PLR0917  the same
    code: NDArray[np.int32],
    branches: NDArray[np.int32],
    data: Bytes,
    at: np.int64,
    end: np.int64,
    row: int,
    values: Ints,
    null: Flags,
    starts: Ints,
    ends: Ints,
    blocks: Ints,
) -> tuple[np.int64, np.int64, np.int64]:
    """Run the program over one value; returns a fault or 0, and the step and the position that it came to."""
    step = np.int64(0)
    while step < len(code):
        following, begin = step + 1, at
        if code[step, OP] < Op.UNION:
            begin, at = read_field(code, step, data, at, end, row, values, null, starts, ends)
        else:
            following, at = go_on(code, step, branches, data, at, end, blocks)
        if at < 0:
            return at, step, begin
        step = following
    return np.int64(0 if at == end else Fault.TRAILING), step, at


@kernel(
    "int64(int32[:, ::1], int32[::1], int64[:, ::1], Array(uint8, 1, 'C', readonly=True), int64[::1], "
    "Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1], boolean[:, ::1], int64[:, ::1], int64[:, ::1], "
    "int64[:, ::1])",
    refcounts=False,
)
def run(  # noqa: PLR0913, PLR0917  the same
    code: NDArray[np.int32],
    branches: NDArray[np.int32],
    blocks: Ints,
    data: Bytes,
    stops: Ints,
    header: Bytes,
    max_bytes: int,
    values: Ints,
    null: Flags,
    starts: Ints,
    ends: Ints,
    failures: Ints,
) -> int:
    """Run a program over every value of a batch; returns how many failed.

    Args:
        code: the program; see `Program`, for `branches` too.
        branches: int32 [entries].
        blocks: int64 [levels, BLOCK_WIDTH], for the blocks that are being read.
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
    failed, begin = 0, np.int64(0)
    for row in range(len(stops)):
        end, step, at = stops[row], np.int64(0), begin
        fault = judge(data, begin, end, header, max_bytes)
        if fault == 0:
            at += len(header)
            fault, step, at = run_value(code, branches, data, at, end, row, values, null, starts, ends, blocks)
        if fault < 0:
            failures[failed, ROW], failures[failed, FAULT] = row, fault
            failures[failed, STEP], failures[failed, AT] = step, at - begin
            for slot in range(len(null)):
                null[slot, row] = True
            failed += 1
        begin = end
    return failed
