"""Recognises values that are not events of the schema, such as JSON or files, and says what to do about them."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

REGISTRY_HEADER = 5  # bytes: 0 and the schema's id, big-endian
SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_HEADER = 10  # bytes: the marker and a fingerprint
LIKELY_ID = 2**24  # registries number schemas from 1, so a larger id is unlikely
LONGEST_TEXT = 65_536  # bytes: longer values are not parsed as JSON, hexadecimal or base64

_COMPRESSED = "Kafka compresses by itself: set the producer's compression.type, and do not compress values"
_AS_AVRO = "write the event in Avro; `scorer produce` does so from a file of JSON lines"
_AS_BYTES = "write its bytes as they are, not as text"
_MAGICS = (
    (b"Obj\x01", "an Avro container file", "write the body of each event by itself; `scorer produce` reads such files"),
    (b"\x1f\x8b\x08", "gzip data", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", _COMPRESSED),
    (b"\x04\x22\x4d\x18", "LZ4 data", _COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy data", _COMPRESSED),
    (b"\x82SNAPPY\x00", "Snappy data", _COMPRESSED),
    (b"BZh91AY&SY", "bzip2 data", _COMPRESSED),
    (b"\xfd7zXZ\x00", "xz data", _COMPRESSED),
    (b"PK\x03\x04", "a zip file", "write the event itself"),
    (b"PAR1", "a Parquet file", "write each event by itself, in Avro"),
    (b"\xac\xed\x00\x05", "a serialized Java object", "use an Avro serializer for values"),
)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_JSON = re.compile(rb'\{\s*("|\})|\[.*\]\Z|".*"\Z', re.DOTALL)
_XML = re.compile(rb"<[?!A-Za-z].*>\Z", re.DOTALL)
_HEX = re.compile(rb"([0-9A-Fa-f]{2})+")
_BASE64 = re.compile(rb"[0-9A-Za-z+/_-]{4,}={0,2}")


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected framing, the schema's fingerprint, and a function that says whether a body fits the schema."""

    framing: str
    fingerprint: bytes
    fits: Callable[[bytes], bool]


def appearance(value: bytes, expected: Expected) -> str:
    """Describe what a rejected value evidently is, and what to do; empty if it is not evident."""
    return next(filter(None, _looks(value, expected)), "")


def _looks(value: bytes, expected: Expected) -> Iterator[str]:
    for magic, what, todo in _MAGICS:
        if value.startswith(magic):
            yield f"this looks like {what}: {todo}"
    yield _framed(value, expected)
    if _is_zlib(value):
        yield f"this looks like zlib data: {_COMPRESSED}"
    text = value.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        yield "this is white space: write an event in Avro"
    elif _is_json(text):
        yield f"this looks like JSON text: {_AS_AVRO}"
    elif _XML.match(text):
        yield f"this looks like XML: {_AS_AVRO}"
    elif _is_utf_16(value):
        yield f"this looks like UTF-16 text: {_AS_AVRO}"
    yield _as_text(text, expected)


def _framed(value: bytes, expected: Expected) -> str:
    """Recognise a framing other than the configured one; return an empty text if there is none."""
    if value[:1] == b"\x00" and len(value) >= REGISTRY_HEADER and expected.framing != "confluent":
        number = int.from_bytes(value[1:REGISTRY_HEADER], "big")
        todo = "set events.framing: confluent, and registry.url"
        if expected.fits(value[REGISTRY_HEADER:]):
            return (
                f"this is an event in the framing of a schema registry (Confluent's), with schema id {number}: {todo}"
            )
        if 0 < number < LIKELY_ID:
            what = f"this could be the framing of a schema registry (Confluent's), with schema id {number}"
            return f"{what} and another schema: if so, {todo}"
    if value.startswith(SINGLE_OBJECT) and len(value) >= SINGLE_OBJECT_HEADER and expected.framing != "single-object":
        fingerprint = value[len(SINGLE_OBJECT) : SINGLE_OBJECT_HEADER]
        which = "this" if fingerprint == expected.fingerprint else "another"
        what = f"this looks like single-object encoding (fingerprint {fingerprint.hex(' ')}, of {which} schema)"
        return f"{what}: set events.framing: single-object" + ("" if which == "this" else ", and the writer's schema")
    if expected.framing != "none" and expected.fits(value):
        return "this is an event without framing: set events.framing: none, or have the producer frame it"
    return ""


def _is_zlib(value: bytes) -> bool:
    if not _ZLIB.match(value):
        return False
    try:
        return bool(zlib.decompressobj().decompress(value[:LONGEST_TEXT], 1))
    except zlib.error:
        return False


def _is_json(text: bytes) -> bool:
    if not _JSON.match(text):
        return False
    if len(text) > LONGEST_TEXT:
        return text.isascii()
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_utf_16(value: bytes) -> bool:
    if value.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(value) % 2 == 0
    for letters, zeros in ((value[::2], value[1::2]), (value[1::2], value[::2])):
        if len(letters) == len(zeros) > 1 and not any(zeros) and letters.isascii() and letters.decode().isprintable():
            return True
    return False


def _as_text(text: bytes, expected: Expected) -> str:
    """Recognise an event whose bytes were written as text; return an empty text if it is not one."""
    if len(text) > LONGEST_TEXT:
        return ""
    if _HEX.fullmatch(text) and expected.fits(bytes.fromhex(text.decode())):
        return f"this looks like an event as hexadecimal text: {_AS_BYTES}"
    if _BASE64.fullmatch(text):
        try:
            body = base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
        except binascii.Error:
            return ""
        if expected.fits(body):
            return f"this looks like an event as base64 text: {_AS_BYTES}"
    return ""
