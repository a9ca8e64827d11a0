"""Decompresses the blocks of container files, up to a size limit."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

LARGEST_BLOCK = 2**27  # bytes of a block, before and after decompression
_LZMA_MEMORY = 2**28  # bytes
_CHECKSUM_BYTES = 4  # after a block of snappy: CRC-32 of the uncompressed data

Decompress = Callable[[bytes], bytes]


class BadBlock(Exception):
    """A block cannot be decompressed; the text says why."""


class MissingPackage(Exception):
    """A codec needs a package that is not installed; the text says how to install it."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, size: int, /) -> bytes: ...


def codec(name: str) -> Decompress | None:
    """Return the function that decompresses the blocks of a codec, or None if the codec is unknown.

    The function raises BadBlock.

    Raises:
        MissingPackage: the codec is known, but the package that it needs is not installed.
    """
    if name in _PACKAGED:
        try:
            cramjam = import_module("cramjam")
        except ImportError:
            raise MissingPackage("pip install 'scorer[files]' (for cramjam), or compress it with deflate") from None
        return lambda data: _PACKAGED[name](cramjam, data)
    return _BUILT_IN.get(name)


def names() -> list[str]:
    """Return the names of the codecs."""
    return sorted([*_BUILT_IN, *_PACKAGED])


def _too_large() -> BadBlock:
    return BadBlock(f"it decompresses to more than {LARGEST_BLOCK:,} bytes")


def _incrementally(make: Callable[[], _Decompressor]) -> Decompress:
    def decompress(data: bytes) -> bytes:
        decompressor = make()
        try:
            out = decompressor.decompress(data, LARGEST_BLOCK + 1)
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise BadBlock(f"it cannot be decompressed: {error}") from None
        if len(out) > LARGEST_BLOCK:
            raise _too_large()
        if not decompressor.eof:
            raise BadBlock("it cannot be decompressed: it ends too early")
        return out

    return decompress


def _snappy(cramjam: Any, data: bytes) -> bytes:  # noqa: ANN401  a module
    compressed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(checksum) < _CHECKSUM_BYTES:
        raise BadBlock("it cannot be decompressed: it ends too early")
    try:
        size = cramjam.snappy.decompress_raw_len(compressed)
        if size > LARGEST_BLOCK:
            raise _too_large()
        out = bytes(cramjam.snappy.decompress_raw(compressed)) if compressed else b""
    except cramjam.DecompressionError as error:
        raise BadBlock(f"it cannot be decompressed: {error}") from None
    if zlib.crc32(out) != int.from_bytes(checksum, "big"):
        raise BadBlock("its checksum is wrong")
    return out


def _zstandard(cramjam: Any, data: bytes) -> bytes:  # noqa: ANN401  a module
    out = np.empty(LARGEST_BLOCK, np.uint8)  # untouched pages of it take no memory
    try:
        size = cramjam.zstd.decompress_into(data, out)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise _too_large() from None
        raise BadBlock(f"it cannot be decompressed: {error}") from None
    return out[:size].tobytes()


_BUILT_IN: dict[str, Decompress] = {
    "null": lambda data: data,
    "deflate": _incrementally(lambda: zlib.decompressobj(-zlib.MAX_WBITS)),
    "bzip2": _incrementally(bz2.BZ2Decompressor),
    "xz": _incrementally(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
}
_PACKAGED: dict[str, Callable[[Any, bytes], bytes]] = {"snappy": _snappy, "zstandard": _zstandard}
