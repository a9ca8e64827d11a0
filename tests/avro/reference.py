"""A strict reader of Avro, written for clearness alone: what the decoder is held against where fastavro is too kind."""

import struct
from collections.abc import Iterator
from typing import Any

from scorer.avro.program.program import MOST_CALLS
from scorer.batch import Reason


class Refused(Exception):
    """The value cannot be read, for a reason."""


def read(schema: Any, body: bytes, used: set[str], *, framed: bool = False) -> dict[str, Any] | Reason:
    """Return every scalar that is used and not null, by path, or why the body is not an event.

    `framed`: a value that has no bytes is empty, but not what follows a header.
    """
    try:
        return _read(schema, body, used, framed=framed)
    except Refused as refused:
        return Reason(refused.args[0])


def _read(schema: Any, body: bytes, used: set[str], *, framed: bool) -> dict[str, Any]:
    reader = _Reader(body, used, dict(_named(schema)))
    if not body and not framed:
        raise Refused(Reason.EMPTY)
    reader.value(schema, "")
    if reader.at != len(body):
        raise Refused(Reason.TRAILING_BYTES)
    reader.judge_decimals()
    return reader.found


def _named(kind: Any) -> Iterator[tuple[str, Any]]:
    """The records inside a type, by name."""
    if isinstance(kind, list):
        for branch in kind:
            yield from _named(branch)
    elif isinstance(kind, dict):
        if kind["type"] == "record":
            yield kind["name"], kind
        for inner in (*(field["type"] for field in kind.get("fields", ())), kind.get("items"), kind.get("values")):
            yield from _named(inner)


class _Reader:
    def __init__(self, body: bytes, used: set[str], named: dict[str, Any]) -> None:
        self.body, self.used, self.named, self.at, self.depth = body, used, named, 0, 0
        self.found: dict[str, Any] = {}
        self.decimals: list[tuple[bytes, int]] = []

    def judge_decimals(self) -> None:
        for content, precision in self.decimals:
            if not content or abs(int.from_bytes(content, "big", signed=True)) >= 10**precision:
                raise Refused(Reason.BAD_VALUE)

    def take(self, count: int) -> bytes:
        if count < 0:
            raise Refused(Reason.BAD_VALUE)
        if count > len(self.body) - self.at:
            raise Refused(Reason.TRUNCATED)
        self.at += count
        return self.body[self.at - count : self.at]

    def number(self, low: int = -(2**63), high: int = 2**63 - 1) -> int:
        raw = 0
        for index in range(10):
            byte = self.take(1)[0]
            raw |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                break
        if byte >= 0x80 or raw >= 2**64:
            raise Refused(Reason.BAD_VALUE)
        number = (raw >> 1) ^ -(raw & 1)
        if not low <= number <= high:
            raise Refused(Reason.BAD_VALUE)
        return number

    def value(self, kind: Any, path: str | None) -> None:
        """Read a value; `path` is None where it cannot be addressed."""
        if isinstance(kind, list):
            branch = kind[self.number(0, len(kind) - 1)]
            self.value(branch, path if len([each for each in kind if each != "null"]) < 2 else None)
        elif isinstance(kind, dict) and kind["type"] == "record":
            for field in kind["fields"]:
                self.value(field["type"], None if path is None else f"{path}.{field['name']}".lstrip("."))
        elif isinstance(kind, dict) and kind["type"] == "array":
            self.blocks([kind["items"]])
        elif isinstance(kind, dict) and kind["type"] == "map":
            self.blocks(["string", kind["values"]])
        elif isinstance(kind, str) and kind in self.named:
            self.recursive(kind)
        else:
            self.scalar(kind if isinstance(kind, dict) else {"type": kind}, path)

    def recursive(self, name: str) -> None:
        """Read a value of a record inside one of the same, which cannot be addressed."""
        self.depth += 1
        if self.depth > MOST_CALLS:
            raise Refused(Reason.BAD_VALUE)
        self.value(self.named[name], None)
        self.depth -= 1

    def scalar(self, kind: dict[str, Any], path: str | None) -> None:
        found = self.plain(kind)
        if path is None or path not in self.used:
            return
        if kind.get("logicalType") == "decimal":
            self.decimals.append((found, kind["precision"]))
        if kind["type"] == "string":
            try:
                found = found.decode()
            except UnicodeDecodeError:
                raise Refused(Reason.BAD_VALUE) from None
        if kind["type"] != "null":
            self.found[path] = found

    def plain(self, kind: dict[str, Any]) -> Any:  # noqa: PLR0911  one a type
        match kind["type"]:
            case "null":
                return None
            case "boolean":
                byte = self.take(1)[0]
                if byte > 1:
                    raise Refused(Reason.BAD_VALUE)
                return byte
            case "int":
                return self.number(-(2**31), 2**31 - 1)
            case "long":
                return self.number()
            case "enum":
                return self.number(0, len(kind["symbols"]) - 1)
            case "float":
                return struct.unpack("<f", self.take(4))[0]
            case "double":
                return struct.unpack("<d", self.take(8))[0]
            case "fixed":
                return self.take(kind["size"])
            case _:
                return self.take(self.number())

    def blocks(self, parts: list[Any]) -> None:
        while count := self.number():
            if abs(count) > len(self.body) - self.at:
                raise Refused(Reason.BAD_VALUE)
            end = None
            if count < 0:
                size = self.number()
                self.take(size)
                self.at -= size
                end = self.at + size
            for _ in range(abs(count)):
                for part in parts:
                    self.value(part, None)
            if end is not None and self.at != end:
                raise Refused(Reason.BAD_VALUE)
