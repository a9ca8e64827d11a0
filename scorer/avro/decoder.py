"""Decodes batches of records into columns."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.avro.appearance import Expected, appearance
from scorer.avro.decimals import read_decimals
from scorer.avro.framing import header
from scorer.avro.machine import AT, BLOCK_WIDTH, FAILURE_WIDTH, FAULT, ROW, STEP, run
from scorer.avro.program import compile_program
from scorer.avro.reading import Fault
from scorer.avro.rejection import VALUE_FAULTS, explain_field, explain_value, reason_of
from scorer.avro.schema import Schema
from scorer.avro.texts import write_positions, write_text
from scorer.batch import NO_TIME, Column, Events, Kind, Records, Rejected

_FLOATS = frozenset({Kind.FLOAT, Kind.DECIMAL})
_NO_VALUES = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """What the kernel fills: a line for each used field, with an item for each row."""

    values: NDArray[np.int64]
    null: NDArray[np.bool_]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class Decoder:
    """Decodes batches of records into columns of the fields that are used.

    Args:
        schema: of the values.
        fields: the paths whose values are needed; each is in `schema.fields`.
        texts: the paths whose text is needed: of a string, uuid, enum, integer or boolean.
        framing: what stands before each value, `none` or `single-object`.
        max_bytes: a longer value is rejected.
        id_field: the path whose text is the event's id; None, or a null there: `topic-partition-offset`, or the
            number of a row that no topic holds.
        time_field: the path of the timestamp that is the event's time; None, or a null there: the record's.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what is needed of an event
        self,
        schema: Schema,
        fields: Collection[str],
        texts: Collection[str],
        framing: str,
        max_bytes: int,
        id_field: str | None,
        time_field: str | None,
    ) -> None:
        own = [path for path in (id_field, time_field) if path is not None]
        slots = {path: slot for slot, path in enumerate(dict.fromkeys([*fields, *texts, *own]))}
        self._header, self._max_bytes = np.frombuffer(header(schema, framing), np.uint8), max_bytes
        self._expected = Expected(framing, schema.fingerprint, self._fits)
        self._program = compile_program(schema.record, slots)
        self._fields = [schema.fields[path] for path in slots]
        self._scalars = [schema.scalars[path] for path in slots]
        self._decimals = [slot for slot, field in enumerate(self._fields) if field.kind == Kind.DECIMAL]
        self._texts = frozenset(slots[path] for path in texts)
        self._id = None if id_field is None else slots[id_field]
        self._written = self._texts if self._id is None else self._texts | {self._id}
        self._time = None if time_field is None else slots[time_field]

    def decode(self, records: Records) -> Events:
        """Decode a batch; a row that is not an event of the schema is rejected, and null in every column."""
        table = self._table(records)
        rejected = [self._explain(records, failure) for failure in self._failures(records, table)]
        for slot in self._decimals:
            rejected += self._read_decimals(records, table, slot)
        made = [records.data]
        for slot in self._written:
            self._write_text(made, table, slot)
        id_starts, id_ends = self._ids(records, table, made)
        return Events(
            rows=len(records),
            columns={field.path: self._column(table, slot) for slot, field in enumerate(self._fields)},
            data=np.concatenate(made) if len(made) > 1 else records.data,
            id_starts=id_starts,
            id_ends=id_ends,
            time=self._times(records, table),
            origin=records.origin,
            rejected=sorted(rejected, key=lambda each: each.row),
        )

    def examine(self, value: bytes) -> tuple[int, str]:
        """Return the byte of a value at which decoding fails, and why; its length and no text where it does not."""
        records = Records.of([value])
        failures = self._failures(records, self._table(records))
        return (failures[0][AT], self._explain(records, failures[0]).detail) if failures else (len(value), "")

    def _fits(self, body: bytes) -> bool:
        """Whether a body, without anything before it, is an event."""
        records = Records.of([self._header.tobytes() + body])
        return len(records.data) <= self._max_bytes and not self._failures(records, self._table(records))

    def _table(self, records: Records) -> _Table:
        shape = len(self._fields), len(records)
        return _Table(
            np.empty(shape, np.int64), np.ones(shape, np.bool_), np.empty(shape, np.int64), np.empty(shape, np.int64)
        )

    def _failures(self, records: Records, table: _Table) -> list[list[int]]:
        """Fill the table, and return what the kernel says of each row that failed."""
        failures = np.empty((len(records), FAILURE_WIDTH), np.int64)
        failed = run(
            self._program.code,
            self._program.branches,
            np.empty((self._program.levels, BLOCK_WIDTH), np.int64),
            records.data,
            records.ends,
            self._header,
            self._max_bytes,
            table.values,
            table.null,
            table.starts,
            table.ends,
            failures,
        )
        return cast("list[list[int]]", failures[:failed].tolist())

    def _explain(self, records: Records, failure: list[int]) -> Rejected:
        return self._rejected(records, failure[ROW], Fault(failure[FAULT]), failure[STEP], failure[AT])

    def _rejected(self, records: Records, row: int, fault: Fault, step: int, at: int) -> Rejected:
        begin = records.ends[row - 1] if row else 0
        value = records.data[begin : records.ends[row]].tobytes()
        if fault in VALUE_FAULTS:
            detail = explain_value(fault, value, at, self._header.tobytes(), self._max_bytes)
        else:
            detail = explain_field(fault, self._program, step, value, at)
        hint = "" if fault == Fault.EMPTY else appearance(value, self._expected)
        return Rejected(row, reason_of(fault), f"{detail}; {hint}" if hint else detail)

    def _read_decimals(self, records: Records, table: _Table, slot: int) -> list[Rejected]:
        kind = self._scalars[slot]
        starts, values = table.starts[slot], table.values[slot].view(np.float64)
        faults = read_decimals(
            records.data, table.null[slot], starts, table.ends[slot], kind.precision, kind.scale, values
        )
        table.null[:, list(faults)] = True
        step = self._program.paths.index(self._fields[slot].path)
        return [
            self._rejected(records, row, fault, step, int(starts[row] - (records.ends[row - 1] if row else 0)))
            for row, fault in faults.items()
        ]

    def _write_text(self, made: list[NDArray[np.uint8]], table: _Table, slot: int) -> None:
        base = sum(map(len, made))
        text = write_text(
            self._scalars[slot], self._fields[slot].kind, made[0], base,
            table.values[slot], table.null[slot], table.starts[slot], table.ends[slot],
        )  # fmt: skip
        if len(text):
            made.append(text)

    def _ids(
        self, records: Records, table: _Table, made: list[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._id is None:
            starts, ends = np.empty(len(records), np.int64), np.empty(len(records), np.int64)
            unset = np.ones(len(records), np.bool_)
        else:
            starts, ends, unset = table.starts[self._id].copy(), table.ends[self._id].copy(), table.null[self._id]
        if unset.any():
            made.append(write_positions(records, unset, sum(map(len, made)), starts, ends))
        return starts, ends

    def _times(self, records: Records, table: _Table) -> NDArray[np.int64]:
        of_records = np.where(records.timestamp < 0, NO_TIME, records.timestamp)
        if self._time is None:
            return of_records
        milliseconds = table.values[self._time] // (self._fields[self._time].ticks // 1_000)
        return np.where(table.null[self._time], of_records, milliseconds)

    def _column(self, table: _Table, slot: int) -> Column:
        field, values = self._fields[slot], table.values[slot]
        if field.kind == Kind.TEXT:
            values = _NO_VALUES
        starts, ends = (table.starts[slot], table.ends[slot]) if slot in self._texts else (None, None)
        return Column(
            field, table.null[slot], values.view(np.float64) if field.kind in _FLOATS else values, starts, ends
        )
