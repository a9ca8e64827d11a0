"""Reads as much as possible of a value that may not be an event."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from scorer.avro.decode.decoder import Decoder
from scorer.avro.decode.wanted import Wanted
from scorer.avro.framing import Framing
from scorer.avro.schema.schema import Schema
from scorer.avro.types.grammar import Array, Link, Map, Record, Scalar, Type, Union
from scorer.avro.values.binary import Raw, unpack, unpack_long
from scorer.avro.values.plain import to_json
from scorer.batch import Records

Put = Callable[[Any], object]

_KEY = Scalar("string")


class Salvage:
    """Reads the fields of a damaged event.

    Args:
        schema: the reader's schema.
        framing: finds the body, and the schema that it was written with.
    """

    def __init__(self, schema: Schema, framing: Framing) -> None:
        self._framing = framing
        self._decoder = Decoder(Wanted(schema), framing, sys.maxsize)

    def read(self, value: bytes, original: object = None) -> tuple[dict[str, Any], str]:
        """Return a value's fields as plain JSON up to the first unreadable one, and its fault; "" if there is none.

        Args:
            value: the value of the record.
            original: the record itself, for a framing that reads its headers.

        Raises:
            Unavailable: the schema that it was written with is not known yet, and cannot be fetched now.
        """
        records = Records.of([value], originals=[original])
        stop, why = self._decoder.examine(records)
        bodies = self._framing.split(records)
        start, writer = int(bodies.starts[0]), self._framing.writers[bodies.writers[0]]
        found: list[dict[str, Any]] = []
        try:
            if start >= 0:
                _ValueReader(value, stop).read(writer.kind, start, found.append)
        except _Stopped as stopped:
            why = str(stopped) or why
        return found[0] if found else {}, why


class _Stopped(Exception):
    """The next bytes cannot be read; the text says why, unless the decoder has already said it."""


class _ValueReader:
    """Reads a value whose structure is valid up to some byte; a container is stored before its contents are read."""

    def __init__(self, value: bytes, stop: int) -> None:
        self._value, self._stop = value, stop

    def read(self, kind: Type | Link, at: int, put: Put) -> int:
        """Read the value that begins at a byte, and return the position after it."""
        match kind:
            case Link():  # the decoder has refused such a value at its first byte
                raise _Stopped
            case Scalar(base="null"):
                put(None)
            case Scalar():
                self._look(at)
                try:
                    raw, following = unpack(kind, self._value, at)
                except UnicodeDecodeError as error:
                    raise _Stopped(f"a string at byte {at} is not UTF-8; expected text") from error
                put(self._shown(kind, raw, at))
                return following
            case Record(members=members):
                event: dict[str, Any] = {}
                put(event)
                for member in members:
                    at = self.read(member.type, at, partial(event.__setitem__, member.name))
            case Union(branches=branches):
                self._look(at)
                index, at = unpack_long(self._value, at)
                at = self.read(branches[index], at, put)
            case Array(items=items):
                values: list[Any] = []
                put(values)
                at = self._read_items(at, lambda at: self.read(items, at, values.append))
            case Map(values=inner):
                entries: dict[str, Any] = {}
                put(entries)
                at = self._read_items(at, partial(self._read_entry, inner, entries))
        return at

    def _shown(self, kind: Scalar, raw: Raw, at: int) -> object:
        try:
            return to_json(kind, raw)
        except ValueError as error:
            raise _Stopped(f"at byte {at}: {error}") from error

    def _read_entry(self, kind: Type, entries: dict[str, Any], at: int) -> int:
        keys: list[str] = []
        at = self.read(_KEY, at, keys.append)
        return self.read(kind, at, partial(entries.__setitem__, keys[0]))

    def _read_items(self, at: int, read: Callable[[int], int]) -> int:
        items = 0
        while True:
            self._look(at)
            count, at = unpack_long(self._value, at)
            if count == 0:
                return at
            if count < 0:
                _, at = unpack_long(self._value, at)
            items += abs(count)
            if items > len(self._value):  # items without bytes
                raise _Stopped(f"more than {len(self._value)} items in {len(self._value)} bytes, too many to show")
            for _ in range(abs(count)):
                at = read(at)

    def _look(self, at: int) -> None:
        if at >= self._stop:
            raise _Stopped
