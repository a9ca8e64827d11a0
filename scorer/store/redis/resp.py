"""The Redis protocol, version 2, as far as look-ups need it: commands out, replies in.

Replies are not made into objects: a kernel marks where each value stands in the bytes that arrived, and resumes there
when more have come.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.arrays.spans import Texts, copy
from scorer.store.redis.bounds import LONGEST_LINE, SHOWN, SLACK, VALUE_ROOM, Malformed

VALUE, ABSENT, ERROR, ARRAY = range(4)  # what a reply holds; the head of an array fills no cell
BARE = 0  # the width of a reply that is one value and not an array
DONE, MORE, MALFORMED = 0, -1, -2  # how reading ended; where a kernel returns a position, the latter two say why not
CR, LF = ord("\r"), ord("\n")
MAX_SIZE_DIGITS = 18  # a length that fits 64 bits
FIRST_ROOM = 1 << 16  # bytes


def command(*parts: bytes) -> bytes:
    """Return the bytes of one command."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def commands(keys: Sequence[bytes], head: bytes, tail: bytes) -> bytes:
    """Return a command for each of some keys, the same but for its key.

    Args:
        keys: the keys.
        head: what stands before each key, as `command` writes it.
        tail: what stands after it.
    """
    texts = Texts.of(keys)
    around = len(head) + len(tail) + len("$\r\n\r\n") + MAX_SIZE_DIGITS
    room = np.empty(len(texts) * around + int((texts.ends - texts.starts).sum()), np.uint8)
    before, after = np.frombuffer(head, np.uint8), np.frombuffer(tail, np.uint8)
    return room[: write(texts.data, texts.starts, texts.ends, before, after, room)].tobytes()


@kernel("int64(int64[::1])", refcounts=False)
def cell_count(widths: NDArray[np.int64]) -> int:
    """Return how many values there are in replies of these widths, int64 [replies]."""
    count = 0
    for width in widths:
        count += max(width, 1)
    return count


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Values of replies, in the order they were asked for."""

    data: NDArray[np.uint8]  # [bytes]: what arrived
    marks: NDArray[np.int64]  # [3, cells]: VALUE, ABSENT or ERROR; where its text begins in `data`; where it ends

    def __getitem__(self, part: slice) -> "Cells":
        return Cells(self.data, self.marks[:, part])

    @property
    def kinds(self) -> NDArray[np.int64]:
        """[cells] VALUE, ABSENT or ERROR."""
        kinds: NDArray[np.int64] = self.marks[0]
        return kinds

    def text(self, cell: int) -> str:
        """Return the text of one value or error."""
        return self.data[self.marks[1, cell] : self.marks[2, cell]].tobytes().decode("utf-8", "replace")

    def errors(self) -> list[tuple[int, str]]:
        """Return the cells that hold an error, and its text. An error in place of an array fills all its cells."""
        return [(cell, self.text(cell)) for cell in np.flatnonzero(self.kinds == ERROR).tolist()]


class Inbox:
    """The replies to come on one connection, into a buffer that is kept from one request to the next."""

    __slots__ = ("_data", "_length", "_marks", "_most", "_state", "_widths")

    def __init__(self) -> None:
        self._data = np.empty(FIRST_ROOM, np.uint8)
        self.expect(np.empty(0, np.int64))

    def expect(self, widths: NDArray[np.int64], most: int = 0) -> None:
        """Forget what arrived and wait for replies anew.

        Args:
            widths: [replies] the length of the array that each is, or BARE.
            most:   bytes that their values may take together, where that is more than VALUE_ROOM for each.
        """
        self._widths, self._length, self._state = widths, 0, np.zeros(4, np.int64)
        self._marks = np.empty((3, cell_count(widths)), np.int64)
        self._most = SLACK + max(most, VALUE_ROOM * self._marks.shape[1])

    @property
    def cells(self) -> Cells:
        """The values that arrived, once all have; good until the next `expect`."""
        return Cells(self._data, self._marks)

    @property
    def complaint(self) -> str:
        """The error that arrived first, where not all has arrived; else an empty text."""
        complained = self._state[2] > 0 and self._marks[0, 0] == ERROR
        return self.cells.text(0) if complained else ""

    def room(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._length == len(self._data):
            self._data = np.concatenate([self._data, np.empty_like(self._data)])
        return self._data.data[self._length :]

    def received(self, count: int) -> bool:
        """Take note of bytes that were put into the room; return whether all replies are complete.

        Raises:
            Malformed: with the first bytes of what cannot be read, or it is more than what was asked for can be.
        """
        self._length += count
        status = scan(self._data, self._length, self._widths, self._state, self._marks)
        at = int(self._state[0])
        if status == MALFORMED or (status == DONE and at < self._length):
            raise Malformed.with_bytes(self._data[at : min(at + 4 * SHOWN, self._length)].tobytes())
        if status == MORE and self._length > self._most:
            raise Malformed(f"more than {self._most:,} bytes for {self._marks.shape[1]:,} values")
        return status == DONE


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], "
    "Array(uint8, 1, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), uint8[::1])",
    refcounts=False,
)
def write(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    head: NDArray[np.uint8],
    tail: NDArray[np.uint8],
    room: NDArray[np.uint8],
) -> int:
    """Write a command for each text into the room, as `commands` has them, and return how long they are."""
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


@kernel(refcounts=False)
def line_end(data: NDArray[np.uint8], at: int, length: int) -> int:
    """Return where the line that begins at a position ends, or MORE or MALFORMED."""
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


@kernel(refcounts=False)
def size_of(data: NDArray[np.uint8], at: int, end: int) -> np.int64:
    """Return the size that a line gives, -1 for a value that is not there, or MALFORMED."""
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


@kernel(refcounts=False)
def element(data: NDArray[np.uint8], at: int, length: int) -> tuple[int, int, int, int]:
    """Return what begins at a position: its kind, where its text begins and ends, where the next element begins.

    Of an array, its size stands in place of the start. In place of the last number may stand MORE or MALFORMED.
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


@kernel("int64(uint8[::1], int64, int64[::1], int64[::1], int64[:, ::1])", refcounts=False)
def scan(
    data: NDArray[np.uint8], length: int, widths: NDArray[np.int64], state: NDArray[np.int64], marks: NDArray[np.int64]
) -> int:
    """Mark the values that are complete, from where the last call stopped; return DONE, MORE or MALFORMED.

    state: where the next element begins, its reply, its cell, and how many values are still to come in its array.
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
