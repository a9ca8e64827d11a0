"""The kernel that runs programs over a batch of values.

Nothing here allocates by a length in the data, and the work is bounded by the bytes: an item of a block either has a
byte at least, or is not looped over. Positions are in the batch's data, until a failure is recorded.
"""

from typing import Final, NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, Flags, Flags2, Ints, Ints2, Ints32, Table32, entry, kernel
from scorer.arrays.utf8 import is_utf8
from scorer.avro.program.program import (
    CHANGE,
    LEVEL,
    MOST_CALLS,
    NEVER,
    NO_SYMBOL,
    NULL_BRANCH,
    OP,
    SIZE,
    SKIP,
    SLOT,
    TARGET,
    Change,
    Op,
    Program,
)
from scorer.avro.program.reading import Fault, read_long, read_real, read_span, read_whole

# The columns of a failure.
ROW: Final = 0
FAULT: Final = 1
STEP: Final = 2  # the instruction
AT: Final = 3  # the first unreadable byte, from the beginning of the value
FAILURE_WIDTH: Final = 4

# The columns of a block.
LEFT: Final = 0  # items to be read
LIMIT: Final = 1  # where it ends; NO_LIMIT if unknown
BLOCK_WIDTH: Final = 2

NO_LIMIT: Final = -1


class Code(NamedTuple):
    """Programs; see `Program`."""

    steps: Table32  # [instructions, columns of an instruction]
    tables: Ints32  # [entries]
    entries: Ints32  # [programs + 1]
    blocks: Ints2  # [levels of each call, BLOCK_WIDTH], for the blocks that are being read
    levels: int  # of one call
    calls: Ints  # [MOST_CALLS], where each goes on; no items if nothing is called


def loaded(program: Program) -> Code:
    """Return programs with the room that it takes to run them."""
    calls = MOST_CALLS if program.recursive else 0
    blocks = np.empty((program.levels * (calls + 1), BLOCK_WIDTH), np.int64)
    return Code(program.code, program.tables, program.entries, blocks, program.levels, np.empty(calls, np.int64))


class Source(NamedTuple):
    """The bytes that programs read."""

    data: Bytes  # all values, concatenated, followed by the constants of the programs
    constants: int  # where those begin


class Values(NamedTuple):
    """A batch of values."""

    source: Source
    stops: Ints  # [rows]: where each value ends
    bodies: Ints  # [rows]: where its body begins, or a fault of its framing
    programs: Ints32  # [rows]: the one that reads it
    max_bytes: int  # of a value


class Table(NamedTuple):
    """What is filled: a line for each column, with an item for each row."""

    values: Ints2  # [columns, rows]: numbers: integers, or the bits of a float64
    null: Flags2  # [columns, rows]: all True; cleared where there is a value
    starts: Ints2  # [columns, rows]: where the content of strings, bytes and fixed begins in the data
    ends: Ints2  # [columns, rows]: and where it ends

    def line(self, slot: int) -> "Line":
        """Return one column."""
        return Line(self.values[slot], self.null[slot], self.starts[slot], self.ends[slot])


class Line(NamedTuple):
    """One column of a table, with an item for each row."""

    values: Ints
    null: Flags
    starts: Ints
    ends: Ints


class Body(NamedTuple):
    """The body of one value."""

    program: int  # the one that reads it
    row: int  # of the table
    begin: np.int64  # where it begins in the data
    end: np.int64


class Span(NamedTuple):
    """Where a field is read."""

    begin: np.int64
    limit: np.int64  # nothing behind it is read


class _Row(NamedTuple):
    """A row of a table."""

    table: Table
    number: int


@kernel
def put(code: Code, step: np.int64, value: np.int64, row: _Row) -> np.int64:
    """Convert a value to the reader's type and put it into its column; return a fault, or 0.

    Args:
        code: the programs.
        step: the instruction that has read the value.
        value: an integer, the bits of a float64, or where content begins in the data.
        row: filled.
    """
    slot, change = code.steps[step, SLOT], code.steps[step, CHANGE]
    if change == Change.SYMBOL:
        value = np.int64(code.tables[code.steps[step, TARGET] + value])
        if value == NO_SYMBOL:
            return np.int64(Fault.STRANGE_SYMBOL)
    elif change == Change.TO_FLOAT:
        value = np.float64(np.float32(value)).view(np.int64)
    elif change == Change.TO_DOUBLE:
        value = np.float64(value).view(np.int64)
    row.table.values[slot, row.number], row.table.null[slot, row.number] = value, False
    return np.int64(0)


@kernel
def read_field(code: Code, step: np.int64, data: Bytes, span: Span, row: _Row) -> tuple[np.int64, np.int64]:
    """Read a value into its column, if it has one.

    Args:
        code: the programs.
        step: the instruction.
        data: uint8 [bytes].
        span: where to read.
        row: filled.

    Returns:
        Where the value begins, behind the branch of its union; the next position, or a fault.
    """
    at, end = span.begin, span.limit
    steps = code.steps
    op, null_branch, slot = steps[step, OP], steps[step, NULL_BRANCH], steps[step, SLOT]
    if null_branch != NEVER:
        branch, following = read_long(data, at, end)
        if following >= 0 and branch != null_branch and branch != 1 - null_branch:
            following = np.int64(Fault.BAD_BRANCH)
        if following < 0 or branch == null_branch:
            return at, following
        at = following
    if op < Op.FLOAT:
        value, following = read_whole(op, steps[step, SIZE], data, at, end)
    elif op < Op.BYTES:
        value, following = read_real(op, data, at, end)
    else:
        value, following = read_span(op, steps[step, SIZE], data, at, end)
    if slot == SKIP or following < 0:
        return at, following
    if op >= Op.BYTES:
        row.table.starts[slot, row.number], row.table.ends[slot, row.number] = value, following
        if op == Op.STRING and not is_utf8(data, value, following):
            return at, np.int64(Fault.BAD_UTF8)
    fault = put(code, step, value, row)
    return at, fault if fault < 0 else following


@kernel
def begin_block(code: Code, step: np.int64, level: np.int64, data: Bytes, span: Span) -> tuple[np.int64, np.int64]:
    """Read the head of a block, and note in `code.blocks` what is left of it.

    Args:
        code: the programs.
        step: the instruction.
        level: the level of the block, over all calls.
        data: uint8 [bytes].
        span: where the block begins.

    Returns:
        How many items the block has; the next position, or a fault.
    """
    at, end, blocks = span.begin, span.limit, code.blocks
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
    blocks[level, LEFT] = count if code.steps[step, SIZE] > 0 else min(count, np.int64(1))
    return count, at


@kernel
def go_on(code: Code, step: np.int64, depth: np.int64, data: Bytes, span: Span) -> tuple[np.int64, np.int64]:
    """Do an instruction that reads no value itself.

    Args:
        code: the programs.
        step: the instruction.
        depth: the depth of the call.
        data: uint8 [bytes].
        span: the position in `data`.

    Returns:
        The next instruction; the next position, or a fault.
    """
    steps, at, end = code.steps, span.begin, span.limit
    op, target = steps[step, OP], np.int64(steps[step, TARGET])
    level = depth * code.levels + steps[step, LEVEL]
    if op == Op.UNION:
        branch, at = read_long(data, at, end)
        if at >= 0 and (branch < 0 or branch >= steps[step, SIZE]):
            at = np.int64(Fault.BAD_BRANCH)
        return np.int64(code.tables[target + branch]) if at >= 0 else step, at
    if op == Op.BLOCKS:
        count, at = begin_block(code, step, level, data, span)
        return step + 1 if count > 0 else target, at
    if op == Op.NEXT:
        code.blocks[level, LEFT] -= 1
        if code.blocks[level, LEFT] > 0:
            return target + 1, at
        if code.blocks[level, LIMIT] not in (NO_LIMIT, at):
            return step, np.int64(Fault.BAD_SIZE)
    if op == Op.FAIL:
        return step, np.int64(steps[step, SIZE])
    return target, at


@kernel
def run_value(code: Code, source: Source, body: Body, table: Table) -> tuple[np.int64, np.int64, np.int64]:
    """Run a program over one value.

    Args:
        code: the programs.
        source: the bytes.
        body: the value.
        table: its row is filled.

    Returns:
        A fault, or 0; the instruction and the position that it came to.
    """
    data, at, end, row = source.data, body.begin, body.end, _Row(table, body.row)
    step, last = np.int64(code.entries[body.program]), np.int64(code.entries[body.program + 1])
    limit, back, depth = end, at, np.int64(0)
    while step < last:
        following, begin, op = step + 1, at, code.steps[step, OP]
        if op < Op.UNION:
            begin, at = read_field(code, step, data, Span(at, limit), row)
        elif op == Op.ENTER:
            back, at, limit = at, np.int64(source.constants + code.steps[step, TARGET]), np.int64(len(data))
        elif op == Op.LEAVE:
            at, limit = back, end
        elif op == Op.CALL:
            following = np.int64(code.steps[step, TARGET])
            if depth == len(code.calls):
                at = np.int64(Fault.TOO_DEEP)
            else:
                code.calls[depth] = step + 1
                depth += 1
        elif op == Op.RETURN:
            depth -= 1
            following = code.calls[depth]
        else:
            following, at = go_on(code, step, depth, data, Span(at, limit))
        if at < 0:
            return at, step, begin
        step = following
    return np.int64(0 if at == end else Fault.TRAILING), step, at


@kernel
def judge(begin: np.int64, end: np.int64, body: np.int64, max_bytes: int) -> np.int64:
    """Look at a value from outside; returns a fault, or 0.

    Args:
        begin: where it begins in the data.
        end: where it ends.
        body: where its body begins, or a fault of its framing.
        max_bytes: the most it may have.
    """
    if begin == end:
        return np.int64(Fault.EMPTY)
    if end - begin > max_bytes:
        return np.int64(Fault.TOO_LARGE)
    return min(body, np.int64(0))


@entry
def run(code: Code, values: Values, table: Table, failures: Ints2) -> int:
    """Run a program over every value of a batch; returns how many failed.

    Args:
        code: the programs.
        values: the batch.
        table: is filled.
        failures: int64 [rows, FAILURE_WIDTH], filled from the top with the rows that failed, ascending.
    """
    failed, begin = 0, np.int64(0)
    for row in range(len(values.stops)):
        end, step, at = values.stops[row], np.int64(0), begin
        fault = judge(begin, end, values.bodies[row], values.max_bytes)
        if fault == 0:
            body = Body(int(values.programs[row]), row, values.bodies[row], end)
            fault, step, at = run_value(code, values.source, body, table)
        if fault < 0:
            failures[failed, ROW], failures[failed, FAULT] = row, fault
            failures[failed, STEP], failures[failed, AT] = step, at - begin
            for slot in range(len(table.null)):
                table.null[slot, row] = True
            failed += 1
        begin = end
    return failed
