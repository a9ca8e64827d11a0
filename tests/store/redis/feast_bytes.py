"""What Feast writes into a hash, encoded in the plainest way: protobuf messages, byte by byte."""

import struct
from typing import Any

TAGS = {"bytes": 1, "string": 2, "int32": 3, "int64": 4, "double": 5, "float": 6, "bool": 7, "unix_timestamp": 8}
FIXED = {"double": (1, "<d"), "float": (5, "<f")}  # wire type and format


def varint(number: int) -> bytes:
    """A number of 64 bits; a negative one takes ten bytes."""
    number %= 1 << 64
    out = b""
    while number > 127:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def value(kind: str | None, content: Any = None) -> bytes:
    """A message `Value`; a null has no bytes."""
    if kind is None or (kind == "float" and content != content):  # noqa: PLR0124  as Feast does with NaN
        return b""
    if kind == "null":
        return varint(19 << 3) + b"\x00"
    if kind == "list":  # of int64
        packed = b"".join(varint(item) for item in content)
        inner = b"\x0a" + varint(len(packed)) + packed
        return varint(14 << 3 | 2) + varint(len(inner)) + inner
    tag = TAGS[kind] << 3
    if kind in {"bytes", "string"}:
        text = content.encode() if isinstance(content, str) else content
        return varint(tag | 2) + varint(len(text)) + bytes(text)
    if kind in FIXED:
        wire, layout = FIXED[kind]
        return varint(tag | wire) + struct.pack(layout, content)
    return varint(tag) + varint(int(content))


def timestamp(seconds: int, nanos: int = 0) -> bytes:
    """A message `Timestamp`; what is 0 is left out."""
    return (b"\x08" + varint(seconds) if seconds else b"") + (b"\x10" + varint(nanos) if nanos else b"")
