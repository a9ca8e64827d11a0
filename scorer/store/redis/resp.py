"""The Redis protocol, version 2, as far as look-ups need it: encoding commands and decoding replies.

Replies do not become objects: a kernel marks where each value is in the bytes received, and resumes when more arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, BytesOut, Ints, Ints2, entry, kernel
from scorer.arrays.spans import Spans, Texts, copy
from scorer.made_often import made_often
from scorer.store.redis.bounds import LONGEST_LINE, SHOWN, SLACK, VALUE_ROOM, Malformed

VALUE, ABSENT, ERROR, ARRAY = range(4)  # the kinds of elements; the head of an array fills no cell
BARE = 0  # the width of a reply that is a single value instead of an array
DONE, MORE, MALFORMED = 0, -1, -2  # the status of reading; the latter two may replace a position
CR, LF = ord("\r"), ord("\n")
MAX_SIZE_DIGITS = 18  # such a size always fits in 64 bits
FIRST_ROOM = 1 << 16  # bytes


def command(*parts: bytes) -> bytes:
    """Return the bytes of one command."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def commands(keys: Sequence[bytes], head: bytes, tail: bytes) -> bytes:
    """Return one command for each key, all equal except for the key.

    Args:
        keys: the keys.
        head: the encoded part before each key.
        tail: the encoded part after each key.
    """
    texts = Texts.of(keys)
    around = len(head) + len(tail) + len("$\r\n\r\n") + MAX_SIZE_DIGITS
    room = np.empty(len(texts) * around + int(np.add.reduce(texts.ends - texts.starts)), np.uint8)
    return room[: write(texts.spans, _bytes(head), _bytes(tail), room)].tobytes()


def equal_widths(replies: int, width: int) -> NDArray[np.int64]:
    """Return the widths of replies that all have the same; `np.full` takes twice as long for so few."""
    widths = np.empty(replies, np.int64)
    widths.fill(width)
    return widths


@lru_cache
def _bytes(text: bytes) -> Bytes:
    return np.frombuffer(text, np.uint8)


@entry
def cell_count(widths: Ints) -> int:
    """Return the number of values in replies of these widths, int64 [replies]."""
    count = 0
    for width in widths:
        count += max(width, 1)
    return count


class Marks(NamedTuple):
    """The rows of `Cells.marks`, as kernels take them."""

    kinds: Ints  # [cells]: VALUE, ABSENT or ERROR
    starts: Ints  # [cells]: where the text starts in the data
    ends: Ints  # [cells]: where it ends


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The values of replies, in the order of their requests."""

    data: Bytes  # [bytes]: the bytes received
    marks: Ints2  # [3, cells]: VALUE, ABSENT or ERROR; where the text starts in `data`; where it ends

    def __getitem__(self, part: slice) -> "Cells":
        return Cells(self.data, self.marks[:, part])

    @property
    def kinds(self) -> NDArray[np.int64]:
        """Whether each cell is VALUE, ABSENT or ERROR."""
        kinds: NDArray[np.int64] = self.marks[0]
        return kinds

    def text(self, cell: int) -> str:
        """Return the text of one value or error."""
        return self.data[self.marks[1, cell] : self.marks[2, cell]].tobytes().decode("utf-8", "replace")

    @property
    def failed(self) -> bool:
        """Whether any cell is an error."""
        return bool(np.count_nonzero(self.kinds == ERROR))

    def errors(self) -> list[tuple[int, str]]:
        """Return the cells that are errors, with their texts. An error instead of an array fills all its cells."""
        return [(cell, self.text(cell)) for cell in np.flatnonzero(self.kinds == ERROR).tolist()]


class Inbox:
    """Receives the replies on one connection, in a buffer that is reused for all requests."""

    __slots__ = ("_data", "_length", "_marks", "_most", "_state", "_widths")

    def __init__(self) -> None:
        self._data = np.empty(FIRST_ROOM, np.uint8)
        self.expect(np.empty(0, np.int64))

    def expect(self, widths: NDArray[np.int64], most: int = 0) -> None:
        """Forget the previous replies and expect new ones.

        Args:
            widths: [replies] the length of each reply's array, or BARE.
            most:   bytes that the values may take together, if that is more than VALUE_ROOM for each.
        """
        self._widths, self._length, self._state = widths, 0, np.zeros(4, np.int64)
        self._marks = np.empty((3, cell_count(widths)), np.int64)
        self._most = SLACK + max(most, VALUE_ROOM * self._marks.shape[1])

    @property
    def cells(self) -> Cells:
        """The values of the replies, once all are complete; valid until the next `expect`."""
        return Cells(self._data, self._marks)

    @property
    def complaint(self) -> str:
        """The first reply, if it is an error; otherwise an empty text."""
        complained = self._state[2] > 0 and self._marks[0, 0] == ERROR
        return self.cells.text(0) if complained else ""

    def room(self) -> memoryview:
        """Return the free part of the buffer, for the next bytes; never empty."""
        if self._length == len(self._data):
            self._data = np.concatenate([self._data, np.empty_like(self._data)])
        return self._data.data[self._length :]

    def ends_with(self, data: bytes) -> bool:
        """Return whether the bytes received so far end with the given ones."""
        return self._data[max(0, self._length - len(data)) : self._length].tobytes() == data

    def received(self, count: int) -> bool:
        """Parse `count` new bytes in the buffer; return whether all replies are complete.

        Raises:
            Malformed: the bytes are not valid replies, or are more than the requested values can take.
        """
        self._length += count
        status = scan(self._data, self._length, self._widths, self._state, self._marks)
        at = int(self._state[0])
        if status == MALFORMED or (status == DONE and at < self._length):
            raise Malformed.with_bytes(self._data[at : min(at + 4 * SHOWN, self._length)].tobytes())
        if status == MORE and self._length > self._most:
            raise Malformed(f"more than {self._most:,} bytes for {self._marks.shape[1]:,} values")
        return status == DONE


@entry
def write(texts: Spans, head: Bytes, tail: Bytes, room: BytesOut) -> int:
    """Write the commands of `commands`, and return their length in bytes.

    Args:
        texts: [commands], the key of each.
        head: uint8 [bytes], the encoded part before each key.
        tail: uint8 [bytes], the encoded part after each key.
        room: uint8 [bytes], output.
    """
    data, starts, ends = texts.data, texts.starts, texts.ends
    at = 0
    for text in range(len(starts)):
        at = copy(head, 0, len(head), room, at)
        room[at] = ord("$")
        at += 1
        size, scale = ends[text] - starts[text], 1
        while size >= 10 * scale:
            scale *= 10
        while scale > 0:
            room[at] = ord("0") + size // scale % 10
            scale //= 10
            at += 1
        room[at], room[at + 1] = CR, LF
        at = copy(data, starts[text], ends[text], room, at + 2)
        room[at], room[at + 1] = CR, LF
        at = copy(tail, 0, len(tail), room, at + 2)
    return at


@kernel
def line_end(data: Bytes, at: int, length: int) -> int:
    """Return the end of the line that starts at a position of `data`, uint8 [bytes], or MORE or MALFORMED."""
    if at < length and data[at] not in (ord("$"), ord("*"), ord("+"), ord("-"), ord(":")):
        return MALFORMED
    last = min(length, at + LONGEST_LINE)
    while at < last and data[at] != CR:
        at += 1
    if at == last < length:
        return MALFORMED
    if at + 1 >= length:
        return MORE
    return at if data[at + 1] == LF else MALFORMED


@kernel
def size_of(data: Bytes, at: int, end: int) -> np.int64:
    """Return the size in a line of `data`, uint8 [bytes]: -1 for a null value, or MALFORMED."""
    if end - at == 2 and data[at] == ord("-") and data[at + 1] == ord("1"):  # noqa: PLR2004  the length of "-1"
        return np.int64(-1)
    size = np.int64(0)
    if end == at or end - at > MAX_SIZE_DIGITS:
        return np.int64(MALFORMED)
    for place in range(at, end):
        if data[place] < ord("0") or data[place] > ord("9"):
            return np.int64(MALFORMED)
        size = size * 10 + np.int64(data[place] - ord("0"))
    return size


@kernel
def element(data: Bytes, at: int, length: int) -> tuple[int, int, int, int]:
    """Parse the element at a position of `data`, uint8 [bytes], of which `length` were received.

    Returns:
        Its kind, the start and end of its text, and where the next one starts. For an array, the second number is its
        size. The last number may be MORE or MALFORMED instead.
    """
    stop = line_end(data, at, length)
    kind, start, end, after = VALUE, at + 1, stop, stop + 2
    if stop < 0:
        after = stop
    elif data[at] == ord("-"):
        kind = ERROR
    elif data[at] == ord("$") or data[at] == ord("*"):
        size = int(size_of(data, at + 1, stop))
        if size < 0:
            kind, after = ABSENT, after if size == -1 else MALFORMED
        elif data[at] == ord("*"):
            kind, start = ARRAY, size
        else:
            start, end, after = stop + 2, stop + 2 + size, stop + 4 + size
            if after > length:
                after = MORE
            elif data[end] != CR or data[end + 1] != LF:
                after = MALFORMED
    return kind, start, end, after


@entry
def scan(data: Bytes, length: int, widths: Ints, state: Ints, marks: Ints2) -> int:
    """Mark the complete values, from where the last call stopped; return DONE, MORE or MALFORMED.

    Args:
        data: uint8 [bytes], the buffer.
        length: how many bytes of it were received.
        widths: int64 [replies], the length of each reply's array, or BARE.
        state: int64 [4], updated: where the next element starts, its reply, its cell, and how many values its array
            still lacks.
        marks: int64 [3, cells], output: see `Cells`.
    """
    at, reply, cell, coming = state
    after = at
    while reply < len(widths):
        kind, start, end, after = element(data, at, length)
        if after < 0:
            break
        whole = coming == 0 and (widths[reply] == BARE or kind == ERROR or kind == ABSENT)  # noqa: PLR1714, SIM109  fast
        if kind == ARRAY and coming == 0 and start == widths[reply] != BARE:
            coming = start
        elif kind != ARRAY and (whole or (coming > 0 and kind != ERROR)):
            for _ in range(max(widths[reply], 1) if whole else 1):
                marks[0, cell], marks[1, cell], marks[2, cell] = kind, start, end
                cell += 1
            coming = max(coming - 1, 0)
            reply += coming == 0
        else:
            after = MALFORMED
            break
        at = after
    state[0], state[1], state[2], state[3] = at, reply, cell, coming
    return DONE if after >= 0 else after
