"""The fields of an event that are used, as the lines of a table; and the events that a filled table becomes."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from scorer.avro.decode.decimals import read_decimals
from scorer.avro.decode.texts import Ids, is_in_data, write_positions, write_text
from scorer.avro.program.machine import Table
from scorer.avro.program.reading import Fault
from scorer.avro.schema.schema import Schema
from scorer.batch import NO_TIME, Column, Events, Kind, Records, Rejected

_FLOATS = frozenset({Kind.FLOAT, Kind.DECIMAL})


class Wanted:
    """The fields that are used, each with a line of a table.

    Args:
        schema: the reader's schema.
        fields: the paths whose values are needed; each is in `schema.fields`.
        texts: the paths whose text is needed; each is a string, uuid, enum, integer or boolean.
        id_field: the path whose text is the event's id. If this is None or the field is null, the id is
            `topic-partition-offset`, or the number of a row that did not come from a topic.
        time_field: the path of the timestamp that is the event's time. If this is None or the field is null, the
            record's timestamp is used.

    Attributes:
        schema: the reader's schema.
        slots: the line of each path.
        fields: the field of each line.
        scalars: the type of each line.
        id_slot: the line of the event's id; None if no field is the id.
    """

    def __init__(
        self,
        schema: Schema,
        fields: Collection[str] = (),
        texts: Collection[str] = (),
        id_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self.schema = schema
        own = [path for path in (id_field, time_field) if path is not None]
        self.slots = {path: slot for slot, path in enumerate(dict.fromkeys([*fields, *texts, *own]))}
        self.fields = [schema.fields[path] for path in self.slots]
        self.scalars = [schema.scalars[path] for path in self.slots]
        self._decimals = [slot for slot, field in enumerate(self.fields) if field.kind == Kind.DECIMAL]
        self._texts = frozenset(self.slots[path] for path in texts)
        self.id_slot = None if id_field is None else self.slots[id_field]
        used = self._texts if self.id_slot is None else self._texts | {self.id_slot}
        self._written = [slot for slot in used if not is_in_data(self.scalars[slot], self.fields[slot].kind)]
        columns = [(field, slot, _values_of(field.kind)) for slot, field in enumerate(self.fields)]
        self._plain = [column for column in columns if column[1] not in self._texts]
        self._with_text = [column for column in columns if column[1] in self._texts]
        self._none = np.empty((len(columns), 0), np.int64)
        self._time = None if time_field is None else self.slots[time_field]

    def table(self, rows: int) -> Table:
        """Return a table to be filled, in which every value is null."""
        shape = len(self.fields), rows
        return Table(
            np.empty(shape, np.int64), np.ones(shape, np.bool_), np.empty(shape, np.int64), np.empty(shape, np.int64)
        )

    def read_decimals(self, data: NDArray[np.uint8], table: Table) -> Iterator[tuple[int, int, Fault]]:
        """Convert the decimals of a table to float64; yield the line, the row and the fault of each that is invalid."""
        for slot in self._decimals:
            faults = read_decimals(data, table.line(slot), self.scalars[slot])
            table.null[:, list(faults)] = True
            yield from ((slot, row, fault) for row, fault in faults.items())

    def events(self, records: Records, data: NDArray[np.uint8], table: Table, rejected: Collection[Rejected]) -> Events:
        """Return the events of a table.

        Args:
            records: where the rows came from.
            data: uint8 [bytes], which the lines of texts point into.
            table: what was filled; lines of decimals hold numbers. It becomes a part of the events.
            rejected: the rows that are not events, which are null in every column.
        """
        made = [data]
        for slot in self._written:
            self._write_text(made, table, slot)
        id_starts, id_ends = self._ids(records, table, made)
        return Events(
            rows=len(records),
            columns=self._filled(table),
            data=np.concatenate(made) if len(made) > 1 else data,
            id_starts=id_starts,
            id_ends=id_ends,
            time=self._times(records, table),
            origin=records.origin,
            rejected=sorted(rejected, key=lambda each: each.row),
            keys=records.keys,
        )

    def _write_text(self, made: list[NDArray[np.uint8]], table: Table, slot: int) -> None:
        base = sum(map(len, made))
        text = write_text(self.scalars[slot], self.fields[slot].kind, made[0], base, table.line(slot))
        if len(text):
            made.append(text)

    def _ids(
        self, records: Records, table: Table, made: list[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self.id_slot is None:
            starts, ends = np.empty(len(records), np.int64), np.empty(len(records), np.int64)
            unset = np.ones(len(records), np.bool_)
        else:
            starts, ends, unset = (
                table.starts[self.id_slot].copy(),
                table.ends[self.id_slot].copy(),
                table.null[self.id_slot],
            )
        if np.count_nonzero(unset):
            made.append(write_positions(records, Ids(unset, starts, ends), sum(map(len, made))))
        return starts, ends

    def _times(self, records: Records, table: Table) -> NDArray[np.int64]:
        if self._time is None:
            return _of_records(records)
        null = table.null[self._time]
        milliseconds = table.values[self._time] // (self.fields[self._time].ticks // 1_000)
        return np.where(null, _of_records(records), milliseconds) if np.count_nonzero(null) else milliseconds

    def _filled(self, table: Table) -> dict[str, Column]:
        """Return the columns of a table, by path."""
        values, null, starts, ends = table
        of = values, values.view(np.float64), self._none
        columns = {field.path: Column(field, null[at], of[kind][at]) for field, at, kind in self._plain}
        return columns | {
            field.path: Column(field, null[at], of[kind][at], starts[at], ends[at])
            for field, at, kind in self._with_text
        }


def _values_of(kind: Kind) -> int:
    """Return which values a column has: 0 for integers, 1 for floats, 2 for none."""
    return 2 if kind is Kind.TEXT else int(kind in _FLOATS)


def _of_records(records: Records) -> NDArray[np.int64]:
    return np.where(records.timestamp < 0, NO_TIME, records.timestamp)
