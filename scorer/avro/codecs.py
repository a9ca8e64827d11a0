"""Unpacks the blocks of container files, none beyond a limit."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

LARGEST_BLOCK = 2**27  # bytes of a block, packed or not
_LZMA_MEMORY = 2**28  # bytes
_CHECKSUM_BYTES = 4  # behind a block of snappy: CRC-32 of what was packed

Unpack = Callable[[bytes], bytes]


class BadBlock(Exception):
    """A block cannot be unpacked; says why."""


class MissingPackage(Exception):
    """A codec needs a package that is not installed; says which."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, size: int, /) -> bytes: ...


def codec(name: str) -> Unpack | None:
    """Return what unpacks the blocks of a codec, or raises BadBlock; None where there is no such codec.

    Raises:
        MissingPackage: the codec is known, and what it needs is not installed.
    """
    if name in _PACKAGED:
        try:
            cramjam = import_module("cramjam")
        except ImportError:
            raise MissingPackage("pip install 'scorer[files]', which brings cramjam, or pack it with deflate") from None
        return lambda data: _PACKAGED[name](cramjam, data)
    return _BUILT_IN.get(name)


def names() -> list[str]:
    """Return the names of the codecs."""
    return sorted([*_BUILT_IN, *_PACKAGED])


def _too_large() -> BadBlock:
    return BadBlock(f"it unpacks to more than {LARGEST_BLOCK:,} bytes")


def _incrementally(make: Callable[[], _Decompressor]) -> Unpack:
    def unpack(data: bytes) -> bytes:
        decompressor = make()
        try:
            out = decompressor.decompress(data, LARGEST_BLOCK + 1)
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise BadBlock(f"it cannot be unpacked: {error}") from None
        if len(out) > LARGEST_BLOCK:
            raise _too_large()
        if not decompressor.eof:
            raise BadBlock("it cannot be unpacked: it ends too early")
        return out

    return unpack


def _snappy(cramjam: Any, data: bytes) -> bytes:  # noqa: ANN401  a module
    packed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(checksum) < _CHECKSUM_BYTES:
        raise BadBlock("it cannot be unpacked: it ends too early")
    try:
        size = cramjam.snappy.decompress_raw_len(packed)
        if size > LARGEST_BLOCK:
            raise _too_large()
        out = bytes(cramjam.snappy.decompress_raw(packed)) if packed else b""
    except cramjam.DecompressionError as error:
        raise BadBlock(f"it cannot be unpacked: {error}") from None
    if zlib.crc32(out) != int.from_bytes(checksum, "big"):
        raise BadBlock("its checksum is another")
    return out


def _zstandard(cramjam: Any, data: bytes) -> bytes:  # noqa: ANN401  a module
    out = np.empty(LARGEST_BLOCK, np.uint8)  # memory that is not written to is not used
    try:
        size = cramjam.zstd.decompress_into(data, out)
    except cramjam.DecompressionError as error:
        raise _too_large() if "whole buffer" in str(error) else BadBlock(f"it cannot be unpacked: {error}") from None
    return out[:size].tobytes()


_BUILT_IN: dict[str, Unpack] = {
    "null": lambda data: data,
    "deflate": _incrementally(lambda: zlib.decompressobj(-zlib.MAX_WBITS)),
    "bzip2": _incrementally(bz2.BZ2Decompressor),
    "xz": _incrementally(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
}
_PACKAGED: dict[str, Callable[[Any, bytes], bytes]] = {"snappy": _snappy, "zstandard": _zstandard}
