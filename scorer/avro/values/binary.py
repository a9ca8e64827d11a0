"""Encodes and decodes single scalars, for files and examples; the stream uses kernels instead."""

import struct

from scorer.avro.types.grammar import Scalar

Raw = None | bool | int | float | str | bytes  # the value of a scalar without its logical type; for an enum, its index


def pack_long(number: int) -> bytes:
    """Return an int64 as a varint."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:  # noqa: PLR2004  seven bits a byte
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def unpack_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of the varint at a position, and the position after it; it may be cut off by the end."""
    number = shift = 0
    for byte in data[at : at + 10]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004  the last byte
            break
    return (number >> 1) ^ -(number & 1), at + shift // 7


def pack(kind: Scalar, raw: Raw) -> bytes:  # noqa: PLR0911  one a type
    """Return the bytes of a value that fits the type.

    Raises:
        OverflowError: a float32 cannot hold it.
    """
    match kind.base, raw:
        case "float", float():
            return struct.pack("<f", raw)
        case "double", float():
            return struct.pack("<d", raw)
        case "boolean", bool():
            return bytes([raw])
        case _, int():
            return pack_long(raw)
        case _, str():
            return pack_long(len(raw.encode())) + raw.encode()
        case "bytes", bytes():
            return pack_long(len(raw)) + raw
        case _, bytes():
            return raw
        case _:
            return b""


def unpack(kind: Scalar, data: bytes, at: int) -> tuple[Raw, int]:  # noqa: PLR0911  one a type
    """Return the value at a position of structurally valid data, and the position after it.

    Raises:
        UnicodeDecodeError: a string is not UTF-8.
    """
    match kind.base:
        case "null":
            return None, at
        case "boolean":
            return bool(data[at]), at + 1
        case "int" | "long" | "enum":
            return unpack_long(data, at)
        case "float":
            return struct.unpack_from("<f", data, at)[0], at + 4
        case "double":
            return struct.unpack_from("<d", data, at)[0], at + 8
        case "fixed":
            return data[at : at + kind.size], at + kind.size
        case _:
            length, at = unpack_long(data, at)
            content = data[at : at + length]
            return content.decode() if kind.base == "string" else content, at + length
