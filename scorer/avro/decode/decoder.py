"""Decodes batches of records into columns."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.avro.decode.appearance import Expected, appearance
from scorer.avro.decode.rejection import FRAMING_FAULTS, VALUE_FAULTS, explain_field, explain_value, reason_of
from scorer.avro.decode.wanted import Wanted
from scorer.avro.framing import Bodies, Framing
from scorer.avro.program.compiler import Compiler
from scorer.avro.program.machine import AT, FAILURE_WIDTH, FAULT, ROW, STEP, Source, Table, Values, loaded, run
from scorer.avro.program.reading import Fault
from scorer.batch import Events, Records, Rejected
from scorer.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A batch that is being decoded."""

    records: Records
    bodies: Bodies
    data: NDArray[np.uint8]  # the data of the records, followed by the defaults that programs read
    table: Table

    def value(self, row: int) -> bytes:
        """Return the value of a row."""
        return self.records.data[self.begin(row) : self.records.ends[row]].tobytes()

    def begin(self, row: int) -> int:
        """Return where the value of a row begins in the data."""
        return int(self.records.ends[row - 1]) if row else 0


class Decoder:
    """Decodes batches of records into columns of the fields that are used.

    Args:
        wanted: the fields that are needed of the reader's schema.
        framing: finds the body in each value, and the schema that it was written with.
        max_bytes: a longer value is rejected.
    """

    def __init__(self, wanted: Wanted, framing: Framing, max_bytes: int) -> None:
        self._wanted, self._framing, self._max_bytes = wanted, framing, max_bytes
        self._expected = Expected(framing.name, wanted.schema.fingerprint, self._fits)
        self._compiler, self._compiled = Compiler(wanted.schema.record, wanted.slots), 0
        self._compile()

    def decode(self, records: Records) -> Events:
        """Decode a batch; a row that is not an event of the schema is rejected, and null in every column.

        Raises:
            Unavailable: a writer's schema is not known yet, and cannot be fetched now.
        """
        batch = self._open(records, self._framing.split(records))
        rejected = [self._explain(batch, failure) for failure in self._failures(batch)]
        faults = self._wanted.read_decimals(batch.data, batch.table)
        rejected += [self._explain_decimal(batch, slot, row, fault) for slot, row, fault in faults]
        return self._wanted.events(records, batch.data, batch.table, rejected)

    def examine(self, records: Records) -> tuple[int, str]:
        """Return the byte of a single value at which decoding fails, and why; its length and "" if it decodes.

        Raises:
            Unavailable: see `decode`.
        """
        batch = self._open(records, self._framing.split(records))
        failures = self._failures(batch)
        end = len(records.data)
        return (failures[0][AT], self._explain(batch, failures[0]).detail) if failures else (end, "")

    def _fits(self, body: bytes) -> bool:
        """Whether a body without framing is an event of the schema."""
        records = Records.of([body])
        alone = Bodies(np.zeros(1, np.int64), np.zeros(1, np.int32))
        return len(body) <= self._max_bytes and not self._failures(self._open(records, alone))

    def _compile(self) -> None:
        """Compile the writers' schemas that are new in the framing since the last call."""
        for written in self._framing.writers[self._compiled :]:
            self._compiler.add(written.kind, written.name)
            self._compiled += 1
        self._program = program = self._compiler.program()
        self._code = loaded(program)
        self._constants = np.frombuffer(program.constants, np.uint8)

    def _open(self, records: Records, bodies: Bodies) -> _Batch:
        if len(self._framing.writers) > self._compiled:
            self._compile()
        data = np.concatenate([records.data, self._constants]) if len(self._constants) else records.data
        return _Batch(records, bodies, data, self._wanted.table(len(records)))

    def _failures(self, batch: _Batch) -> list[list[int]]:
        """Fill the table, and return the kernel's description of each row that failed."""
        records, bodies = batch.records, batch.bodies
        failures = np.empty((len(records), FAILURE_WIDTH), np.int64)
        source = Source(batch.data, len(records.data))
        values = Values(source, records.ends, bodies.starts, bodies.writers, self._max_bytes)
        failed = run(self._code, values, batch.table, failures)
        return cast("list[list[int]]", failures[:failed].tolist())

    def _explain(self, batch: _Batch, failure: list[int]) -> Rejected:
        row, fault, step, at = failure[ROW], Fault(failure[FAULT]), failure[STEP], failure[AT]
        value = batch.value(row)
        if fault in FRAMING_FAULTS:
            detail = batch.bodies.notes.get(row) or self._framing.explain(fault, value)
        elif fault in VALUE_FAULTS:
            detail = explain_value(fault, value, at, self._max_bytes)
        elif step in self._program.notes:
            detail = self._program.notes[step]
        else:
            detail = explain_field(fault, self._program.paths[step], self._program.types[step], value, at)
        return self._rejected(row, fault, value, detail)

    def _rejected(self, row: int, fault: Fault, value: bytes, detail: str) -> Rejected:
        hint = "" if fault == Fault.EMPTY else appearance(value, self._expected)
        return Rejected(row, reason_of(fault), f"{detail}; {hint}" if hint else detail)

    def _explain_decimal(self, batch: _Batch, slot: int, row: int, fault: Fault) -> Rejected:
        path, kind, value = self._wanted.fields[slot].path, self._wanted.scalars[slot], batch.value(row)
        at = int(batch.table.starts[slot, row]) - batch.begin(row)
        return self._rejected(row, fault, value, explain_field(fault, path, kind, value, at))
