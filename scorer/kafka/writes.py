"""Records to produce, their sizes, and how to cut dead letters that are too large for any broker."""

from typing import NotRequired, TypedDict

PREFIX = "scorer."
CUT = PREFIX + "cut"
KEPT_BYTES = 65_536  # bytes of the value and of the key that remain in a cut dead letter


class Write(TypedDict):
    """A record to produce."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: NotRequired[list[tuple[str, str | bytes | None]]]
    timestamp: NotRequired[int]  # milliseconds since the epoch


def bytes_of(write: Write) -> int:
    """Return the approximate size of a record in bytes, before compression."""
    return len(write["value"] or b"") + len(write["key"] or b"") + _header_bytes(write)


def cut(letter: Write) -> Write:
    """Return a dead letter with only the start of its event's value, and a header that says what was cut.

    A value can be too large for any topic if it was compressed: a few kilobytes can expand to a gigabyte.
    """
    value, key, headers = letter["value"], letter["key"], letter.get("headers", [])
    ours = [header for header in headers if header[0].startswith(PREFIX) and len(header[1] or b"") <= KEPT_BYTES]
    said = [text.decode() for name, text in headers[-1:] if name == CUT and isinstance(text, bytes)]
    short = Write(topic=letter["topic"], value=value, key=key, headers=headers)
    if value and len(value) > KEPT_BYTES:
        short["value"] = value[:KEPT_BYTES]
        said.append(f"value: the first {KEPT_BYTES} of {len(value)} bytes")
    if key and len(key) > KEPT_BYTES:
        short["key"] = key[:KEPT_BYTES]
        said.append(f"key: the first {KEPT_BYTES} of {len(key)} bytes")
    if _header_bytes(letter) > KEPT_BYTES + _bytes(ours):
        short["headers"] = ours
        said.append(f"headers: none of {len(headers) - len(ours)}")
    if "timestamp" in letter:
        short["timestamp"] = letter["timestamp"]
    short["headers"] = [*short["headers"], (CUT, "; ".join(said).encode())]
    return short


def _header_bytes(write: Write) -> int:
    return _bytes(write.get("headers", []))


def _bytes(headers: list[tuple[str, str | bytes | None]]) -> int:
    return sum(2 + len(name) + len(value or b"") for name, value in headers)
