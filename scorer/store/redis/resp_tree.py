"""A reply of any shape as Python values, for commands that are not on the path of events."""

import re
from dataclasses import dataclass

from scorer.store.redis.bounds import LONGEST_LINE, SHOWN, SLACK, Malformed

DEEPEST = 8  # levels of nested arrays; CLUSTER SLOTS has four
_ROOM = 1 << 16  # most bytes that are received at once
_NUMBER = re.compile(rb"[+-]?[0-9]{1,18}\Z")
_SIZE = re.compile(rb"-1\Z|[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a reply."""

    text: str


Tree = bytes | int | None | Refusal | list["Tree"]


class TreeInbox:
    """Receives one reply of any shape, of at most SLACK bytes."""

    __slots__ = ("_at", "_data", "_open", "_room", "reply")

    def __init__(self) -> None:
        self._data, self._room = bytearray(), bytearray(_ROOM)
        self._at = 0
        self._open: list[tuple[list[Tree], int]] = []  # incomplete arrays, and their sizes
        self.reply: Tree = None

    @property
    def complaint(self) -> str:
        """The reply, if it is an error; otherwise an empty text."""
        return self.reply.text if isinstance(self.reply, Refusal) else ""

    def room(self) -> memoryview:
        """Return the buffer for the next bytes; never empty."""
        return memoryview(self._room)

    def received(self, count: int) -> bool:
        """Parse `count` new bytes in the buffer; return whether the reply is complete.

        Raises:
            Malformed: the bytes are not a valid reply, or too many.
        """
        self._data += self._room[:count]
        complete = False
        while not complete and (line := self._line()) is not None:
            value, whole = self._element(line)
            if not whole:
                break
            complete = self._put(value)
        if complete and self._at < len(self._data):
            raise self._malformed()
        if not complete and len(self._data) > SLACK:
            raise Malformed(f"more than {SLACK:,} bytes")
        return complete

    def _line(self) -> bytes | None:
        end = self._data.find(b"\r\n", self._at, self._at + LONGEST_LINE)
        if end >= 0:
            return bytes(self._data[self._at : end])
        if len(self._data) - self._at > LONGEST_LINE:
            raise self._malformed()
        return None

    def _element(self, line: bytes) -> tuple[Tree, bool]:
        """Return the value that starts with a line, or the empty list of an array, and whether it is complete."""
        kind, text, after = line[:1], line[1:], self._at + len(line) + 2
        value: Tree
        if kind in {b"$", b"*"}:
            if not _SIZE.match(text):
                raise self._malformed()
            return self._sized(kind, int(text), after)
        if kind == b"+":
            value = text
        elif kind == b"-":
            value = Refusal(text.decode(errors="replace"))
        elif kind == b":" and _NUMBER.match(text):
            value = int(text)
        else:
            raise self._malformed()
        self._at = after
        return value, True

    def _sized(self, kind: bytes, size: int, after: int) -> tuple[Tree, bool]:
        if size < 0:
            self._at = after
            return None, True
        if size > SLACK or (kind == b"*" and len(self._open) == DEEPEST):
            raise self._malformed()
        if kind == b"*":
            self._at = after
            self._open.append(([], size))
            return self._open[-1][0], True
        end = after + size
        if len(self._data) < end + 2:
            return None, False
        if self._data[end : end + 2] != b"\r\n":
            raise self._malformed()
        value, self._at = bytes(self._data[after:end]), end + 2
        return value, True

    def _put(self, value: Tree) -> bool:
        """Add a value to the reply; return whether that completes it."""
        if self._open and value is self._open[-1][0] and self._open[-1][1]:
            return False  # the head of an array; its first value has not arrived yet
        while self._open:
            items, size = self._open[-1]
            if value is items and len(items) == size:
                self._open.pop()
                continue
            items.append(value)
            if len(items) < size:
                return False
            value = items
        self.reply = value
        return True

    def _malformed(self) -> Malformed:
        return Malformed.with_bytes(bytes(self._data[self._at : self._at + 4 * SHOWN]))
