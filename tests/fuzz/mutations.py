"""Mutates encoded events, thousands in one call of a kernel, from random numbers that the caller has drawn."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, BytesOut, Ints, Ints2, Ints3, entry, kernel
from tests.avro.batches import varint

MOST_EDITS: Final = 4  # of one value
PIECE: Final = 32  # bytes that one edit puts in, at most


class Edit(IntEnum):
    """What is done to a value."""

    NONE = 0
    FLIP = 1  # one bit
    TRUNCATE = 2
    NOISE = 3  # random bytes, in place of some or between others
    HOSTILE = 4  # a fragment from the list below
    DROP = 5  # some bytes are taken out
    REPEAT = 6  # a slice of the value is put in again elsewhere
    SPLICE = 7  # it goes on as another value does
    HEADER = 8  # a byte of the framing
    APPEND = 9  # bytes behind it


# What each edit has.
EDIT: Final = 0
PLACE: Final = 1
FIRST: Final = 2
SECOND: Final = 3
EDIT_WIDTH: Final = 4

HOSTILE = (
    # Lengths, counts, indexes and numbers at and beyond every edge; a count below 0 wants a size after it.
    *map(varint, (0, 1, 2, 3, -1, -2, -3, 4, 5, 69, 70, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**62)),
    *map(varint, (2**63 - 1, -(2**63), 10**6, -(10**6))),
    varint(-1) + varint(2**40), varint(-2) + varint(2), varint(-1) + varint(-5), varint(-1) + varint(1),
    # The same numbers longer than they have to be, of 10 and 11 bytes, of more than 64 bits, and without an end.
    b"\x80\x00", b"\x82\x80\x00", b"\x80" * 9 + b"\x00", b"\x80" * 9 + b"\x01", b"\xff" * 9 + b"\x02",
    b"\x80" * 10 + b"\x00", b"\xff" * 20,
    # Not UTF-8: stray, overlong, a surrogate, beyond the last character, cut off; with and without a length.
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x02\xff", b"\x04\xc0\x80",
    b"\x06\xed\xa0\x80", b"\x02\xe2",
    # What begins a value in each framing, and numbers that are odd as floats.
    b"\x00\x00\x00\x00\x01", b"\xc3\x01", b"\x01", bytes(8), b"\x00\x00\xc0\x7f", b"\x00\x00\x00\x00\x00\x00\xf8\xff",
)  # fmt: skip


class Pool(NamedTuple):
    """The values that are mutated, end to end."""

    data: Bytes  # [bytes]
    stops: Ints  # [values]: where each ends


class Fragments(NamedTuple):
    """The hostile fragments, end to end."""

    content: Bytes  # [bytes]
    bounds: Ints  # [fragments]: where each ends
    header: int  # bytes of the framing before each body


class Choices(NamedTuple):
    """What is to be done."""

    values: Ints2  # [mutants, 2]: the value that each is made of, and the one that it may go on as
    edits: Ints3  # [mutants, MOST_EDITS, EDIT_WIDTH]


class Mutants(NamedTuple):
    """Mutants end to end."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]


def pooled(values: list[bytes]) -> Pool:
    """Return values as the kernel takes them."""
    return Pool(np.frombuffer(b"".join(values), np.uint8), np.cumsum([*map(len, values)], dtype=np.int64))


def mutants(pool: Pool, chosen: Choices, header: int) -> Mutants:
    """Return a mutant for each row of the choices; `header`: how many bytes of framing each value begins with."""
    content, bounds = pooled(list(HOSTILE))
    longest = int(np.diff(pool.stops, prepend=0).max())
    scratch = np.empty(longest * 2 + (MOST_EDITS + 1) * PIECE, np.uint8)
    out, ends = np.empty(len(chosen.values) * len(scratch), np.uint8), np.empty(len(chosen.values), np.int64)
    size = mutate(pool, Fragments(content, bounds, header), chosen, scratch, out, ends)
    return Mutants(out[:size].copy(), ends)


def choices(random: np.random.Generator, count: int, many: int, weights: NDArray[np.float64]) -> Choices:
    """Draw what is to be done.

    Args:
        random: the source.
        count: of mutants.
        many: values there are.
        weights: [edits], how often each kind of Edit is drawn; sums to 1, and NONE has none.
    """
    edits = random.integers(0, 2**31, (count, MOST_EDITS, EDIT_WIDTH))
    kinds = np.searchsorted(np.cumsum(weights), random.random((count, MOST_EDITS)), "right")
    edits[:, :, EDIT] = np.minimum(kinds, len(Edit) - 1)
    doing = np.array([1, 1, 1, 1, 1, 2, 3, 4])[random.integers(0, 8, count)]
    edits[np.arange(MOST_EDITS) >= doing[:, None], EDIT] = Edit.NONE
    return Choices(random.integers(0, many, (count, 2)), edits)


@kernel
def _room(value: BytesOut, length: np.int64, at: np.int64, less: np.int64, count: np.int64) -> np.int64:
    """Replace up to `less` bytes at a place by room for `count` bytes; return the new length."""
    less = min(less, length - at)
    if count > less:
        for index in range(length - 1, at + less - 1, -1):
            value[index + count - less] = value[index]
    else:
        for index in range(at + less, length):
            value[index + count - less] = value[index]
    return length + count - less


@kernel
def _edited(  # noqa: C901, PLR0912, PLR0913, PLR0917  one branch a kind of edit
    pool: Pool, fragments: Fragments, chosen: Choices, row: np.int64, index: np.int64, value: BytesOut, length: np.int64
) -> np.int64:
    """Do one edit to the first bytes of `value`, and return the new length."""
    kind, place = chosen.edits[row, index, EDIT], chosen.edits[row, index, PLACE]
    first, second = chosen.edits[row, index, FIRST], chosen.edits[row, index, SECOND]
    low = np.int64(fragments.header if place % 8 and fragments.header <= length else 0)  # most are behind the framing
    at = np.int64(low + (place >> 3) % (length - low + 1))
    if kind == Edit.FLIP and at < length:
        value[at] ^= np.uint8(1 << (first % 8))
    elif kind == Edit.TRUNCATE:
        return at
    elif kind == Edit.NOISE:
        count = 1 + second % 4
        length = _room(value, length, at, first % 3, count)
        for byte in range(count):
            value[at + byte] = np.uint8((second >> (7 * byte)) & 0xFF)
    elif kind == Edit.HOSTILE:
        which = second % len(fragments.bounds)
        begin = fragments.bounds[which - 1] if which else 0
        count = fragments.bounds[which] - begin
        length = _room(value, length, at, first % 4, count)
        for byte in range(count):
            value[at + byte] = fragments.content[begin + byte]
    elif kind == Edit.DROP:
        return _room(value, length, at, 1 + first % 4, np.int64(0))
    elif kind == Edit.REPEAT:
        begin = first % (length + 1)
        count = min(length - begin, second % PIECE)
        length = _room(value, length, at, np.int64(0), count)
        for byte in range(count):
            source = begin + byte if begin + byte < at else begin + byte + count
            value[at + byte] = value[source]
    elif kind == Edit.SPLICE:
        other = chosen.values[row, 1]
        begin = pool.stops[other - 1] if other else 0
        begin += first % (pool.stops[other] - begin + 1)
        room = len(value) - MOST_EDITS * PIECE - at
        count = min(pool.stops[other] - begin, room)
        for byte in range(count):
            value[at + byte] = pool.data[begin + byte]
        return np.int64(at + max(count, np.int64(0)))
    elif kind == Edit.HEADER and fragments.header and length >= fragments.header:
        value[place % fragments.header] = np.uint8(first % 3 if second % 2 else first & 0xFF)
    elif kind == Edit.APPEND:
        value[length] = np.uint8(first & 0xFF)
        length += 1
    return length


@entry
def mutate(  # noqa: PLR0913, PLR0917  arrays of three shapes
    pool: Pool, fragments: Fragments, chosen: Choices, scratch: BytesOut, out: BytesOut, ends: Ints
) -> int:
    """Make every mutant, and return how many bytes they have.

    Args:
        pool: what they are made of.
        fragments: what is put into some.
        chosen: what is done to each.
        scratch: uint8 [bytes], room for twice the longest value and what is put in.
        out: uint8 [bytes], output: the mutants, end to end.
        ends: int64 [mutants], output: where each ends.
    """
    at = 0
    for row in range(len(ends)):
        value = chosen.values[row, 0]
        begin = pool.stops[value - 1] if value else 0
        length = pool.stops[value] - begin
        for index in range(length):
            scratch[index] = pool.data[begin + index]
        for index in range(MOST_EDITS):
            length = _edited(pool, fragments, chosen, np.int64(row), np.int64(index), scratch, length)
        for index in range(length):
            out[at + index] = scratch[index]
        at += length
        ends[row] = at
    return at
