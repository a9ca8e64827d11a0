"""The framing of Confluent's serializers: the schema's id in a registry before the body, or in a header.

By default a value begins with a zero byte and the id, four bytes big-endian. Newer serializers can put a byte of 1 and
the schema's GUID into the record's header `__value_schema_id` instead; the value is then the body alone. As their own
deserializers do, the header is looked at first.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, Ints, entry
from scorer.avro.framing.interface import Bodies, Written, begins
from scorer.avro.program.reading import Fault
from scorer.avro.schema.reader import read_schema
from scorer.avro.schema.schema import Schema
from scorer.batch import Records
from scorer.errors import Misconfigured, Problem, RegistryUnavailable
from scorer.registered import Registered

SCHEMA_HEADER = "__value_schema_id"  # the record's header
FETCHING_SECONDS = 5.0  # how long fetching new schemas may keep the loop from polling the group
_WIDTH: Final = 5  # bytes: the zero and the id
_ID, _GUID = b"\x00", b"\x01"  # the first byte of the record's header
_GUID_BYTES = 16
_NO_ID: Final = -1


class Writers(Protocol):
    """A schema registry."""

    def by_id(self, number: int) -> Registered | None:
        """Return a schema by its id; None if the registry does not have it.

        Raises:
            Unavailable: the registry cannot answer now.
        """

    def by_guid(self, guid: str) -> Registered | None:
        """Return a schema by its GUID, as `by_id` does."""


class Confluent:
    """Each value names the schema that it was written with.

    Args:
        schema: the reader's schema.
        registry: has the writers' schemas.
        number: the id of the schema that bodies are written with; None if none are written.
        header_of: returns the header `SCHEMA_HEADER` of a record, given the client's message.
        answered: called after each batch whose schemas the registry could all answer for.
    """

    name = "confluent"

    def __init__(
        self,
        schema: Schema,
        registry: Writers,
        number: int | None = None,
        header_of: Callable[[object], bytes | None] = lambda _: None,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self.header = b"" if number is None else _ID + number.to_bytes(4, "big")
        self.writers = [Written(schema.record, "the reader's schema")]
        self._registry, self._header_of, self._answered = registry, header_of, answered
        self._numbers: dict[int | str, int] = {}  # index into `writers`, by id and by GUID
        self._refused: dict[int | str, str] = {}  # why a schema cannot be used at all
        # Schemas that the registry does not have, kept until the batch is done, so that a retry does not ask again.
        self._absent: set[int | str] = set()
        self._began = 0.0

    def split(self, records: Records) -> Bodies:
        """Find the bodies of a batch.

        Raises:
            Unavailable: the registry cannot return one of the schemas now.
        """
        rows, self._began = len(records), monotonic()
        starts, ids = begins(records), np.empty(rows, np.int64)
        notes: dict[int, str] = {}
        writers = np.zeros(rows, np.int32)
        named = self._named(records, starts, notes)
        _strip(records.data, records.ends, starts, ids)
        for row, (start, key) in named.items():
            starts[row], ids[row] = start, _NO_ID
            writers[row] = self._writer(key) if start >= 0 else 0
            if writers[row] < 0:
                starts[row], notes[row] = int(Fault.UNKNOWN_SCHEMA), self._why(key)
        distinct, places = np.unique(ids, return_inverse=True)
        numbers = np.array([self._writer(number) for number in distinct.tolist()], np.int32)
        if distinct[:1] == _NO_ID:
            numbers[0] = 0
        by_id = numbers[places]
        for row in np.flatnonzero(by_id < 0).tolist():
            starts[row], notes[row] = int(Fault.UNKNOWN_SCHEMA), self._why(int(ids[row]))
        self._absent.clear()
        self._answered()
        return Bodies(starts, np.where(ids == _NO_ID, writers, by_id).astype(np.int32), notes)

    def explain(self, fault: Fault, value: bytes) -> str:  # noqa: ARG002  only one fault has no note
        """Say what is wrong with the first bytes of a value."""
        found = value[:_WIDTH].hex(" ")
        expected = f"expected 00 and a schema id of 4 bytes, or the header {SCHEMA_HEADER}"
        return f"the value begins with {found} at byte 0; {expected}"

    def _named(
        self, records: Records, starts: NDArray[np.int64], notes: dict[int, str]
    ) -> dict[int, tuple[int, int | str]]:
        """Return, for the rows with a header, where the body begins, or a fault; and the schema's id or GUID."""
        found: dict[int, tuple[int, int | str]] = {}
        header_of = self._header_of
        for row, original in enumerate(records.originals):
            header = header_of(original)
            if header is None:
                continue
            if header[:1] == _GUID and len(header) == 1 + _GUID_BYTES:
                found[row] = int(starts[row]), str(UUID(bytes=header[1:]))
            elif header[:1] == _ID and len(header) == _WIDTH:
                found[row] = int(starts[row]), int.from_bytes(header[1:], "big")
            else:
                shown = header[: 1 + _GUID_BYTES].hex(" ")
                notes[row] = (
                    f"the header {SCHEMA_HEADER} is {shown}; expected 01 and a GUID of 16 bytes, or 00 and an id of 4"
                )
                found[row] = int(Fault.BAD_FRAMING), _NO_ID
        return found

    def _writer(self, key: int | str) -> int:
        """Return the index in `writers` for an id or a GUID; a negative number if it cannot be used."""
        known = self._numbers.get(key)
        if known is not None:
            return known
        if key == _NO_ID or key in self._refused or key in self._absent:
            return _NO_ID
        if monotonic() - self._began > FETCHING_SECONDS:
            raise RegistryUnavailable(f"one batch has more new schemas than come in {FETCHING_SECONDS:g} seconds")
        registered = self._registry.by_id(key) if isinstance(key, int) else self._registry.by_guid(key)
        if registered is None:
            self._absent.add(key)
            return _NO_ID
        try:
            written = read_written(registered, _title(key))
        except Misconfigured as error:
            self._refused[key] = f"{error.problems[0]}"
            return _NO_ID
        self.writers.append(written)
        self._numbers[key] = len(self.writers) - 1
        return self._numbers[key]

    def _why(self, key: int | str) -> str:
        return self._refused.get(key) or f"the registry has no {_title(key)}; expected one that is registered"


def _title(key: int | str) -> str:
    return f"schema with id {key}" if isinstance(key, int) else f"schema with GUID {key}"


def read_written(registered: Registered, title: str = "") -> Written:
    """Read the schema of a writer, to which fewer rules apply than to ours.

    Raises:
        Misconfigured: it is not an Avro schema.
    """
    name = f"schema id {registered.id}"
    title = title or name
    if registered.kind != "AVRO":
        raise Misconfigured([Problem(title, f"it is of type {registered.kind}", "expected Avro")])
    return Written(read_schema(registered.text, title, foreign=True, before=registered.references).kind, name)


@entry
def _strip(data: Bytes, stops: Ints, starts: Ints, ids: Ints) -> None:
    """Move the start of each value past its prefix, or replace it by a fault.

    Args:
        data: uint8 [bytes], all values, concatenated.
        stops: int64 [rows], where each value ends.
        starts: int64 [rows], input: where each value begins; output: where its body begins.
        ids: int64 [rows], output: the schema's id; negative if there is a fault.
    """
    for row in range(len(stops)):
        begin = starts[row]
        if stops[row] - begin < _WIDTH or data[begin] != 0:
            starts[row], ids[row] = np.int64(Fault.BAD_FRAMING), _NO_ID
        else:
            number = np.int64(0)
            for index in range(1, _WIDTH):
                number = (number << 8) | np.int64(data[begin + index])
            starts[row], ids[row] = begin + _WIDTH, number
