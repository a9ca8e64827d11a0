"""Framings with the same bytes before every body: no bytes, or the single-object header."""

from typing import Final

import numpy as np

from scorer.arrays.kernel import Bytes, Ints, entry
from scorer.avro.framing.interface import Bodies, Written, begins
from scorer.avro.program.reading import Fault
from scorer.avro.schema.schema import Schema
from scorer.batch import Records

_MARKER: Final = 2  # bytes of a single-object header before the fingerprint
_SINGLE_OBJECT = b"\xc3\x01"


class Prefix:
    """All values were written with one schema, and begin with the same bytes.

    Args:
        name: the name of the framing.
        schema: the schema of the values.
        header: the bytes that they begin with.
    """

    def __init__(self, name: str, schema: Schema, header: bytes) -> None:
        self.name, self.header = name, header
        self.writers = (Written(schema.record, "the schema"),)
        self._bytes = np.frombuffer(header, np.uint8)

    def split(self, records: Records) -> Bodies:
        """Find the bodies of a batch."""
        starts = begins(records)
        if self.header:
            _strip(records.data, records.ends, self._bytes, starts)
        return Bodies(starts, np.zeros(len(records), np.int32))

    def explain(self, fault: Fault, value: bytes) -> str:
        """Say what is wrong with the first bytes of a value."""
        header = self.header
        if fault == Fault.UNKNOWN_SCHEMA:
            return f"the schema's fingerprint at byte 2 is {value[2:10].hex(' ')}; expected {header[2:].hex(' ')}"
        found = value[: len(header)].hex(" ")
        return f"the value begins with {found} at byte 0; expected the {len(header)} bytes {header.hex(' ')}"


def unframed(schema: Schema) -> Prefix:
    """Return the framing `none`: a value consists of the body alone."""
    return Prefix("none", schema, b"")


def single_object(schema: Schema) -> Prefix:
    """Return the specification's single-object encoding: a marker and the schema's fingerprint."""
    return Prefix("single-object", schema, _SINGLE_OBJECT + schema.fingerprint)


def prefixed(name: str, schema: Schema) -> Prefix:
    """Return the framing with this name in the settings: `none` or `single-object`."""
    return single_object(schema) if name == "single-object" else unframed(schema)


@entry
def _strip(data: Bytes, stops: Ints, header: Bytes, starts: Ints) -> None:
    """Move the start of each value past the header, or replace it by a fault.

    Args:
        data: uint8 [bytes], all values, concatenated.
        stops: int64 [rows], where each value ends.
        header: uint8 [bytes], the bytes that each must begin with.
        starts: int64 [rows], input: where each value begins; output: where its body begins.
    """
    for row in range(len(stops)):
        begin = starts[row]
        fault = np.int64(0)
        if stops[row] - begin < len(header):
            fault = np.int64(Fault.BAD_FRAMING)
        else:
            for index in range(len(header)):
                if data[begin + index] != header[index]:
                    fault = np.int64(Fault.BAD_FRAMING if index < _MARKER else Fault.UNKNOWN_SCHEMA)
                    break
        starts[row] = fault if fault < 0 else begin + len(header)
