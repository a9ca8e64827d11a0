"""Reads the header and the blocks of an Avro object container file."""

from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from scorer.avro.decode.splitting import Block
from scorer.avro.files.codecs import LARGEST_BLOCK, BadBlock, Decompress, MissingPackage, codec, names
from scorer.avro.files.signatures import MAGIC, looks_like
from scorer.avro.json.jsonl import BadEvent
from scorer.avro.values.binary import unpack_long

_SYNC_BYTES = 16
_LONGEST_VARINT = 10
_LARGEST_HEADER = 2**24  # bytes
_MOST_ENTRIES = 10_000  # in the header, each a name and a value; writers need a handful
_WHOLE = "expected a complete Avro container file"


class Container:
    """Reads a container file.

    Args:
        file: the file, at its beginning.
        name: the file's name in errors.

    Attributes:
        schema: the text of the schema that its events were written with.

    Raises:
        BadEvent: the file is not a container, is damaged, or is compressed with a codec that is not available.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._where = file, name
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            self._refuse(looks_like(magic + file.read(64)), "expected an Avro container file, which begins with Obj1")
        metadata = self._read_metadata()
        self.schema = self._text(metadata, b"avro.schema")
        self._decompress = self._codec(self._text(metadata, b"avro.codec") if b"avro.codec" in metadata else "null")
        self._sync = self._take(_SYNC_BYTES)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, decompressed.

        Raises:
            BadEvent: a block is damaged or too large; the text says which.
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
            compressed = self._take(size)
            if self._take(_SYNC_BYTES) != self._sync:
                self._refuse("it is not followed by the sync marker of the file", _WHOLE)
            try:
                yield Block(self._where, count, size, self._decompress(compressed))
            except BadBlock as error:
                self._refuse(str(error), f"{_WHOLE}, with blocks of at most {LARGEST_BLOCK:,} bytes")

    def _read_metadata(self) -> dict[bytes, bytes]:
        metadata: dict[bytes, bytes] = {}
        left, entries = _LARGEST_HEADER, 0
        while count := self._take_long():
            if count < 0:
                self._take_long()  # the bytes of the block
            for _ in range(abs(count)):
                entries += 1
                if entries > _MOST_ENTRIES:
                    self._refuse(f"its header has more than {_MOST_ENTRIES:,} entries", _WHOLE)
                key, value = self._take_bytes(left), self._take_bytes(left)
                metadata[key] = value
                left -= len(key) + len(value) + 1
        return metadata

    def _take_bytes(self, most: int) -> bytes:
        size = self._take_long()
        if not 0 <= size <= most:
            self._refuse(f"its header has an entry of {size} bytes", f"expected at most {_LARGEST_HEADER:,} in total")
        return self._take(size)

    def _text(self, metadata: dict[bytes, bytes], key: bytes) -> str:
        if key not in metadata:
            self._refuse(f"its header has no {key.decode()}", _WHOLE)
        try:
            return metadata[key].decode()
        except UnicodeDecodeError as error:
            self._refuse(f"{key.decode()} in its header is not UTF-8 at byte {error.start}", _WHOLE)

    def _codec(self, name: str) -> Decompress:
        try:
            decompress = codec(name)
        except MissingPackage as error:
            self._refuse(f"it is compressed with {name}", str(error))
        return decompress or self._refuse(
            f"it is compressed with {name[:40]!a}", f"expected one of {', '.join(names())}"
        )

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
            self._refuse("the file ends too early", _WHOLE)
        return taken

    def _refuse(self, what: str, expected: str) -> NoReturn:
        raise BadEvent(self._where, what, expected) from None
