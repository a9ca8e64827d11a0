"""Decodes batches of records into columns."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.avro.appearance import Expected, appearance
from scorer.avro.compiler import Compiler
from scorer.avro.decimals import read_decimals
from scorer.avro.framing import Bodies, Framing
from scorer.avro.machine import AT, FAILURE_WIDTH, FAULT, ROW, STEP, Source, Table, Values, loaded, run
from scorer.avro.reading import Fault
from scorer.avro.rejection import FRAMING_FAULTS, VALUE_FAULTS, explain_field, explain_value, reason_of
from scorer.avro.schema import Schema
from scorer.avro.texts import Ids, write_positions, write_text
from scorer.batch import NO_TIME, Column, Events, Kind, Records, Rejected

_FLOATS = frozenset({Kind.FLOAT, Kind.DECIMAL})
_NO_VALUES = np.empty(0, np.int64)


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
        schema: the reader's schema.
        fields: the paths whose values are needed; each is in `schema.fields`.
        texts: the paths whose text is needed; each is a string, uuid, enum, integer or boolean.
        framing: finds the body in each value, and the schema that it was written with.
        max_bytes: a longer value is rejected.
        id_field: the path whose text is the event's id. If this is None or the field is null, the id is
            `topic-partition-offset`, or the number of a row that did not come from a topic.
        time_field: the path of the timestamp that is the event's time. If this is None or the field is null, the
            record's timestamp is used.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what is needed of an event
        self,
        schema: Schema,
        fields: Collection[str],
        texts: Collection[str],
        framing: Framing,
        max_bytes: int,
        id_field: str | None,
        time_field: str | None,
    ) -> None:
        own = [path for path in (id_field, time_field) if path is not None]
        slots = {path: slot for slot, path in enumerate(dict.fromkeys([*fields, *texts, *own]))}
        self._framing, self._max_bytes = framing, max_bytes
        self._expected = Expected(framing.name, schema.fingerprint, self._fits)
        self._compiler, self._compiled = Compiler(schema.record, slots), 0
        self._compile()
        self._fields = [schema.fields[path] for path in slots]
        self._scalars = [schema.scalars[path] for path in slots]
        self._decimals = [slot for slot, field in enumerate(self._fields) if field.kind == Kind.DECIMAL]
        self._texts = frozenset(slots[path] for path in texts)
        self._id = None if id_field is None else slots[id_field]
        self._written = self._texts if self._id is None else self._texts | {self._id}
        self._time = None if time_field is None else slots[time_field]

    def decode(self, records: Records) -> Events:
        """Decode a batch; a row that is not an event of the schema is rejected, and null in every column.

        Raises:
            Unavailable: a writer's schema is not known yet, and cannot be fetched now.
        """
        batch = self._open(records, self._framing.split(records))
        rejected = [self._explain(batch, failure) for failure in self._failures(batch)]
        for slot in self._decimals:
            rejected += self._read_decimals(batch, slot)
        table, made = batch.table, [batch.data]
        for slot in self._written:
            self._write_text(made, table, slot)
        id_starts, id_ends = self._ids(records, table, made)
        return Events(
            rows=len(records),
            columns={field.path: self._column(table, slot) for slot, field in enumerate(self._fields)},
            data=np.concatenate(made) if len(made) > 1 else batch.data,
            id_starts=id_starts,
            id_ends=id_ends,
            time=self._times(records, table),
            origin=records.origin,
            rejected=sorted(rejected, key=lambda each: each.row),
            keys=records.keys,
        )

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
        shape = len(self._fields), len(records)
        table = Table(
            np.empty(shape, np.int64), np.ones(shape, np.bool_), np.empty(shape, np.int64), np.empty(shape, np.int64)
        )
        data = np.concatenate([records.data, self._constants]) if len(self._constants) else records.data
        return _Batch(records, bodies, data, table)

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

    def _read_decimals(self, batch: _Batch, slot: int) -> list[Rejected]:
        kind, path, table = self._scalars[slot], self._fields[slot].path, batch.table
        faults = read_decimals(batch.data, table.line(slot), kind)
        table.null[:, list(faults)] = True
        rejected = []
        for row, fault in faults.items():
            value, at = batch.value(row), int(table.starts[slot, row]) - batch.begin(row)
            rejected.append(self._rejected(row, fault, value, explain_field(fault, path, kind, value, at)))
        return rejected

    def _write_text(self, made: list[NDArray[np.uint8]], table: Table, slot: int) -> None:
        base = sum(map(len, made))
        text = write_text(self._scalars[slot], self._fields[slot].kind, made[0], base, table.line(slot))
        if len(text):
            made.append(text)

    def _ids(
        self, records: Records, table: Table, made: list[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._id is None:
            starts, ends = np.empty(len(records), np.int64), np.empty(len(records), np.int64)
            unset = np.ones(len(records), np.bool_)
        else:
            starts, ends, unset = table.starts[self._id].copy(), table.ends[self._id].copy(), table.null[self._id]
        if unset.any():
            made.append(write_positions(records, Ids(unset, starts, ends), sum(map(len, made))))
        return starts, ends

    def _times(self, records: Records, table: Table) -> NDArray[np.int64]:
        of_records = np.where(records.timestamp < 0, NO_TIME, records.timestamp)
        if self._time is None:
            return of_records
        milliseconds = table.values[self._time] // (self._fields[self._time].ticks // 1_000)
        return np.where(table.null[self._time], of_records, milliseconds)

    def _column(self, table: Table, slot: int) -> Column:
        field, values = self._fields[slot], table.values[slot]
        if field.kind == Kind.TEXT:
            values = _NO_VALUES
        starts, ends = (table.starts[slot], table.ends[slot]) if slot in self._texts else (None, None)
        return Column(
            field, table.null[slot], values.view(np.float64) if field.kind in _FLOATS else values, starts, ends
        )
