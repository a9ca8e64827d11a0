"""The framings in which mutants are decoded, and where a reader by the letter finds the body and its writer."""

import json
from abc import ABC, abstractmethod
from uuid import UUID

import numpy as np

from scorer.avro import Confluent, Framing, Schema, single_object, unframed
from scorer.batch import Reason
from scorer.registered import Registered
from tests.fuzz.decoding import MOST_BYTES
from tests.fuzz.families import Family

Opened = tuple[int, bytes] | Reason  # the writer and the body, or why there are none
_ID_BYTES = 5
_OBJECT_BYTES = 10
_ODD_HEADERS = (b"", b"\x00", b"\x01", b"\x00" * 4, b"\x02" + bytes(16), b"\x00\x00\x00\x00\x63", b"\x01" + bytes(16))


class Mode(ABC):
    """One framing of a family's events.

    Attributes:
        name: of the mode on the page.
        writers: the indexes of the family's writers that take part.
        width: how many bytes of framing each value begins with.
        rows: of a batch.
    """

    name: str
    writers: range
    width: int
    rows = 4_096

    def __init__(self, family: Family, schema: Schema) -> None:
        self.family, self.schema = family, schema
        self.framing = self._framing()

    @abstractmethod
    def _framing(self) -> Framing: ...

    @abstractmethod
    def prefix(self, writer: int) -> bytes:
        """Return what stands before a body of a writer."""

    @abstractmethod
    def open(self, row: int, value: bytes) -> Opened:
        """Return the writer and the body of a value that is not empty."""

    def begin(self, random: np.random.Generator, writers: list[int]) -> None:
        """Begin a batch, given the writer of each row's first value; most framings have nothing to prepare."""
        del random, writers

    def opened(self, row: int, value: bytes) -> Opened:
        """Return the writer and the body of a value, or why there are none."""
        if not value:
            return Reason.EMPTY
        return Reason.TOO_LARGE if len(value) > MOST_BYTES else self.open(row, value)


class Bare(Mode):
    """`none`: a value is a body."""

    name, writers, width = "none", range(1), 0

    def _framing(self) -> Framing:
        return unframed(self.schema)

    def prefix(self, writer: int) -> bytes:  # noqa: ARG002  the only one
        return b""

    def open(self, row: int, value: bytes) -> Opened:  # noqa: ARG002  all alike
        return 0, value


class SingleObject(Mode):
    """`single-object`: the marker and the schema's fingerprint."""

    name, writers, width = "single-object", range(1), _OBJECT_BYTES

    def _framing(self) -> Framing:
        return single_object(self.schema)

    def prefix(self, writer: int) -> bytes:  # noqa: ARG002  the only one
        return b"\xc3\x01" + self.schema.fingerprint

    def open(self, row: int, value: bytes) -> Opened:  # noqa: ARG002  all alike
        if not value.startswith(b"\xc3\x01") or len(value) < _OBJECT_BYTES:
            return Reason.BAD_FRAMING
        known = value[2:_OBJECT_BYTES] == self.schema.fingerprint
        return (0, value[_OBJECT_BYTES:]) if known else Reason.UNKNOWN_SCHEMA


class Identified(Mode):
    """`confluent`, with the id before the body."""

    name, width = "confluent, id", _ID_BYTES

    def __init__(self, family: Family, schema: Schema) -> None:
        self.writers = range(len(family.writers))
        self.headers: list[bytes | None] = []
        super().__init__(family, schema)

    def _framing(self) -> Framing:
        return Confluent(self.schema, _Registry(self.family), header_of=self._header)

    def _header(self, original: object) -> bytes | None:
        return self.headers[int(str(original))] if self.headers else None

    def prefix(self, writer: int) -> bytes:
        return b"\x00" + (writer + 1).to_bytes(4, "big")

    def open(self, row: int, value: bytes) -> Opened:  # noqa: ARG002  all alike
        if len(value) < _ID_BYTES or value[0] != 0:
            return Reason.BAD_FRAMING
        return self._by_id(value[1:_ID_BYTES], value[_ID_BYTES:])

    def _by_id(self, number: bytes, body: bytes) -> Opened:
        writer = int.from_bytes(number, "big") - 1
        return (writer, body) if writer in self.writers else Reason.UNKNOWN_SCHEMA


class Headed(Identified):
    """`confluent`, with an id or a GUID in the record's header; some headers are odd, and some are not there."""

    name, width = "confluent, header", 0
    rows = 512  # each header is an object, which takes long

    def prefix(self, writer: int) -> bytes:  # noqa: ARG002  it is in the header
        return b""

    def begin(self, random: np.random.Generator, writers: list[int]) -> None:
        self.headers = []
        for writer, number in zip(writers, random.integers(0, 100, len(writers)).tolist(), strict=True):
            self.headers.append(_header(writer, number))

    def open(self, row: int, value: bytes) -> Opened:
        header = self.headers[row]
        if header is None:
            return super().open(row, value)
        if header[:1] == b"\x00" and len(header) == _ID_BYTES:
            return self._by_id(header[1:], value)
        if header[:1] == b"\x01" and len(header) == 1 + 16:
            return self._by_id(header[-4:], value) if header[1:-4] == _GUID[:-4] else Reason.UNKNOWN_SCHEMA
        return Reason.BAD_FRAMING


MODES = (Bare, SingleObject, Identified, Headed)
_GUID = bytes(range(1, 13)) + bytes(4)  # of all writers, but for the last four bytes: the id


def _header(writer: int, number: int) -> bytes | None:
    """Return the header of a record: the GUID or the id of its writer, or, rarely, something else."""
    own = (writer + 1).to_bytes(4, "big")
    if number < len(_ODD_HEADERS):
        return _ODD_HEADERS[number]
    if number < 2 * len(_ODD_HEADERS):
        return None
    return b"\x00" + own if number % 2 else b"\x01" + _GUID[:-4] + own


class _Registry:
    """The schemas of a family, by their order from 1 on, and by GUIDs that end in that."""

    def __init__(self, family: Family) -> None:
        self._texts = [json.dumps(writer.schema) for writer in family.writers]

    def by_id(self, number: int) -> Registered | None:
        """Return a schema by its id."""
        return Registered(self._texts[number - 1], number) if 1 <= number <= len(self._texts) else None

    def by_guid(self, guid: str) -> Registered | None:
        """Return a schema by its GUID."""
        content = UUID(guid).bytes
        return self.by_id(int.from_bytes(content[-4:], "big")) if content[:-4] == _GUID[:-4] else None
