"""Container files made by hand, so that what no library writes can be written."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import cramjam

from tests.avro.batches import varint

SYNC = bytes(range(16))


def text(value: bytes) -> bytes:
    """Bytes behind their length."""
    return varint(len(value)) + value


def container(
    schema: Any, *blocks: tuple[int, bytes], codec: str = "", metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """A container file.

    Args:
        schema: of its events, JSON.
        blocks: of each, how many events it says there are, and its bytes as they stand in the file.
        codec: its name; none for no such line in the header.
        metadata: more lines of it.
    """
    lines = {"avro.schema": json.dumps(schema).encode(), **(metadata or {})} | (
        {"avro.codec": codec.encode()} if codec else {}
    )
    header = varint(len(lines)) + b"".join(text(key.encode()) + text(value) for key, value in lines.items())
    body = b"".join(varint(count) + text(data) + SYNC for count, data in blocks)
    return b"Obj\x01" + header + b"\x00" + SYNC + body


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big")


def zstandard(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data))
