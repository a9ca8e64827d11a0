"""The decoder of the stream, watched: what it found in each row of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.avro import Decoder, Framing, Schema, Wanted
from scorer.avro.decode.decoder import _Batch
from scorer.avro.program.machine import FAILURE_WIDTH, FAULT, ROW, Source, Values, run
from scorer.avro.program.reading import Fault
from scorer.batch import Events, Kind, Records, Rejected

EXPLAINED = 256  # one rejected row of so many is explained in words, as every one is in the stream
MOST_BYTES = 1_000
TEXTS = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN}


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A batch, decoded. Its `events.rejected` are only the rows that were explained."""

    events: Events
    faults: NDArray[np.int64]  # [rows]: a Fault; 0 for a row that was accepted


class Watched(Decoder):
    """The decoder, except that it keeps the faults in an array and explains only some rows: words take longest."""

    def __init__(self, schema: Schema, used: Sequence[str], framing: Framing) -> None:
        texts = [path for path in used if schema.fields[path].kind in TEXTS]
        self._faults = np.zeros(0, np.int64)
        super().__init__(Wanted(schema, used, texts), framing, MOST_BYTES)

    def watch(self, records: Records) -> Decoded:
        """Decode a batch."""
        faults = self._faults = np.zeros(len(records), np.int64)
        return Decoded(self.decode(records), faults)

    def _failures(self, batch: _Batch) -> list[list[int]]:
        records, bodies = batch.records, batch.bodies
        if len(records) != len(self._faults):  # one value, of which a hint is made
            return super()._failures(batch)
        failures = np.empty((len(records), FAILURE_WIDTH), np.int64)
        source = Source(batch.data, len(records.data))
        values = Values(source, records.ends, bodies.starts, bodies.writers, self._max_bytes)
        failed = run(self._code, values, batch.table, failures)
        self._faults[failures[:failed, ROW]] = failures[:failed, FAULT]
        found: list[list[int]] = failures[:failed:EXPLAINED].tolist()
        return found

    def _rejected(self, row: int, fault: Fault, value: bytes, detail: str) -> Rejected:
        self._faults[row] = fault
        return super()._rejected(row, fault, value, detail)
