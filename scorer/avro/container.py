"""The frame of an Avro object container file: its header, and its blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from scorer.avro.binary import unpack_long
from scorer.avro.codecs import LARGEST_BLOCK, BadBlock, MissingPackage, Unpack, codec, names
from scorer.avro.jsonl import BadEvent
from scorer.avro.signatures import MAGIC, looks_like

_SYNC_BYTES = 16
_LONGEST_VARINT = 10
_LARGEST_HEADER = 2**24  # bytes
_MOST_LINES = 10_000  # of the header, each a name and a value; writers need a handful
_WHOLE = "expected an Avro container file that is whole"


@dataclass(frozen=True, slots=True)
class Block:
    """Events end to end.

    where: the file and the block, for errors.
    count: how many it says there are, 0 or more.
    size:  bytes that it takes in the file.
    data:  unpacked.
    """

    where: str
    count: int
    size: int
    data: bytes


class Container:
    """Reads a container file from its beginning.

    Args:
        file: at its beginning.
        name: what errors call it.

    Attributes:
        schema: the text of the schema that its events were written with.

    Raises:
        BadEvent: it is not one, is damaged, or is packed with a codec that is not there.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._where = file, name
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            self._refuse(looks_like(magic + file.read(64)), "expected an Avro container file, which begins with Obj1")
        metadata = self._read_metadata()
        self.schema = self._text(metadata, b"avro.schema")
        self._unpack = self._codec(self._text(metadata, b"avro.codec") if b"avro.codec" in metadata else "null")
        self._sync = self._take(_SYNC_BYTES)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, unpacked.

        Raises:
            BadEvent: one is damaged, or too large; says which.
        """
        name, number = self._where, 0
        while first := self._file.read(1):
            number += 1
            self._where = f"{name}, block {number}"
            count, size = self._take_long(first), self._take_long()
            if count < 0 or size < 0:
                self._refuse(f"{count} events in {size} bytes", _WHOLE)
            if size > LARGEST_BLOCK:
                self._refuse(f"it has {size} bytes", f"expected at most {LARGEST_BLOCK:,} a block")
            packed = self._take(size)
            if self._take(_SYNC_BYTES) != self._sync:
                self._refuse("what stands behind it is not the sync marker of the file", _WHOLE)
            try:
                yield Block(self._where, count, size, self._unpack(packed))
            except BadBlock as error:
                self._refuse(str(error), f"{_WHOLE}, with blocks of at most {LARGEST_BLOCK:,} bytes")

    def _read_metadata(self) -> dict[bytes, bytes]:
        metadata: dict[bytes, bytes] = {}
        left, lines = _LARGEST_HEADER, 0
        while count := self._take_long():
            if count < 0:
                self._take_long()  # the bytes of the block
            for _ in range(abs(count)):
                lines += 1
                if lines > _MOST_LINES:
                    self._refuse(f"its header has more than {_MOST_LINES:,} lines", _WHOLE)
                key, value = self._take_bytes(left), self._take_bytes(left)
                metadata[key] = value
                left -= len(key) + len(value) + 1
        return metadata

    def _take_bytes(self, most: int) -> bytes:
        size = self._take_long()
        if not 0 <= size <= most:
            self._refuse(f"its header has a part of {size} bytes", f"expected at most {_LARGEST_HEADER:,} in all")
        return self._take(size)

    def _text(self, metadata: dict[bytes, bytes], key: bytes) -> str:
        if key not in metadata:
            self._refuse(f"its header has no {key.decode()}", _WHOLE)
        try:
            return metadata[key].decode()
        except UnicodeDecodeError as error:
            self._refuse(f"{key.decode()} in its header is not UTF-8 at byte {error.start}", _WHOLE)

    def _codec(self, name: str) -> Unpack:
        try:
            unpack = codec(name)
        except MissingPackage as error:
            self._refuse(f"it is packed with {name}", str(error))
        return unpack or self._refuse(f"it is packed with {name[:40]!a}", f"expected one of {', '.join(names())}")

    def _take_long(self, first: bytes = b"") -> int:
        number = first or self._take(1)
        while number[-1] & 0x80 and len(number) < _LONGEST_VARINT:
            number += self._take(1)
        if number[-1] & 0x80:
            self._refuse("a number of more than 64 bits", _WHOLE)
        return unpack_long(number, 0)[0]

    def _take(self, size: int) -> bytes:
        taken = self._file.read(size)
        if len(taken) < size:
            self._refuse("the file ends in the middle of it", _WHOLE)
        return taken

    def _refuse(self, what: str, expected: str) -> NoReturn:
        raise BadEvent(self._where, what, expected) from None
