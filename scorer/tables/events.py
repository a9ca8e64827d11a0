"""Events in Arrow batches: their columns become the table that a decoder fills from Avro, and then events."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.avro.grammar import Record, Scalar
from scorer.avro.jsonl import default_of
from scorer.avro.machine import Line
from scorer.avro.plain import expected
from scorer.avro.wanted import Wanted
from scorer.batch import Events, Field, Kind, Reason, Records, Rejected
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.tables.fields import Fast, fast_way, is_text, one_by_one, unfit, write_texts

_NOTHING = np.empty(0, np.uint8)


class TableEvents:
    """Makes events of batches with one Arrow schema. A field of the events is a column, or a member of a struct.

    A field without a column takes its default in every row, or null. Columns that no field needs are ignored.

    Args:
        wanted: the fields that are needed.
        found: the schema of the batches.
        where: their name, for errors.

    Attributes:
        absent: the fields that take their default, or null, in every row.

    Raises:
        Misconfigured: with every field that is missing, every optional field for which a column with a similar name may
            be meant, and every column whose type cannot hold values of its field.
    """

    def __init__(self, wanted: Wanted, found: pa.Schema, where: str) -> None:
        self._wanted, record, problems = wanted, wanted.schema.record, list[Problem]()
        self.absent = list[str]()
        self._lines: list[_Line] = []
        others = sorted({*found.names} - {member.name for member in record.members})
        for slot, (path, field) in enumerate(zip(wanted.slots, wanted.fields, strict=True)):
            names, constant = path.split("."), None
            try:
                kind = _type_of(names, found, others)
            except _Absent as absent:
                constant = _constant(record, path, absent)
                if constant is None:
                    problems.append(Problem(where, str(absent), f"the schema has '{path}', without a default"))
                    continue
                kind = constant.type
                self.absent.append(path)
            if needed := unfit(field, kind):
                problems.append(Problem(where, f"column '{path}' is {kind}", needed))
            elif not pa.types.is_null(kind):
                self._lines.append(_Line(slot, names, field, wanted.scalars[slot], kind, constant))
        if problems:
            raise Misconfigured(problems)

    def events(self, batch: pa.RecordBatch, first: int = 0) -> Events:
        """Return the events of a batch; a row whose value does not fit its field is rejected.

        It is null in every column, and keeps its id.

        Args:
            batch: [rows].
            first: the number of the first row, which is the id of an event without one.
        """
        rows, table = batch.num_rows, self._wanted.table(batch.num_rows)
        rejected, made, base = dict[int, Rejected](), list[NDArray[np.uint8]](), 0
        for line in self._lines:
            texts = line.fill(line.column(batch), table.line(line.slot), base, rejected)
            base += len(texts)
            made.append(texts)
        data = np.concatenate([*made, _NOTHING])
        own = self._wanted.id_slot
        without_id = None if own is None else table.null[own].copy()
        table.null[:, list(rejected)] = True
        if own is not None:
            table.null[own] = without_id  # a rejected row is found by its id
        invalid = list(self._wanted.read_decimals(data, table))
        assert not invalid  # noqa: S101  their digits were counted when they were encoded
        return self._wanted.events(Records.numbered(rows, first), data, table, rejected.values())


class _Line:
    """One field of the events in a column of the batches.

    Args:
        slot: its line in the table.
        names: the column, then the member of each struct inside.
        field: the field.
        scalar: its type in Avro.
        found: its type in Arrow.
        constant: its value in every row, if there is no such column.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what is known of a field
        self,
        slot: int,
        names: list[str],
        field: Field,
        scalar: Scalar,
        found: pa.DataType,
        constant: pa.Scalar | None,
    ) -> None:
        self.slot, self._names, self._constant = slot, names, constant
        self._field, self._scalar = field, scalar
        self._fast: Fast | None = fast_way(scalar, field, found)
        self._is_text = field.kind == Kind.TEXT and scalar.logical != "uuid" and is_text(found)

    def column(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the field's values, null where a struct around them is."""
        if self._constant is not None:
            return pa.repeat(self._constant, batch.num_rows)
        array = batch.column(self._names[0])
        for name in self._names[1:]:
            array = array.flatten()[array.type.get_field_index(name)]
        return array

    def fill(self, array: pa.Array, line: Line, base: int, rejected: dict[int, Rejected]) -> NDArray[np.uint8]:
        """Write the values of an array to a line of the table.

        Args:
            array: [rows].
            line: the line.
            base: where its texts will stand.
            rejected: rejected rows, to which those are added whose value does not fit.

        Returns:
            The texts, uint8 [bytes].
        """
        line.null[:] = array.is_null().to_numpy(zero_copy_only=False)
        if not self._field.nullable and array.null_count:
            self._reject(np.flatnonzero(line.null), array, rejected)
        if self._is_text:
            broken = _not_utf8(array)
            self._reject(broken, array, rejected)
            line.null[broken] = True
            return write_texts(array, line, base)
        if self._fast is None:
            return self._convert(np.flatnonzero(~line.null), array, line, base, rejected)
        values, doubtful = self._fast(array)
        line.values[:] = values.view(np.int64)
        if doubtful is None or not (rows := np.flatnonzero(doubtful & ~line.null)).size:
            return _NOTHING
        return self._convert(rows, array, line, base, rejected)

    def _convert(
        self, rows: NDArray[np.intp], array: pa.Array, line: Line, base: int, rejected: dict[int, Rejected]
    ) -> NDArray[np.uint8]:
        """Convert the values of some rows one by one."""
        texts, numbers = bytearray(), line.values.view(np.float64)
        for row in rows.tolist():
            try:
                value = one_by_one(self._scalar, _plain(array[row]))
            except ValueError as error:
                rejected.setdefault(row, self._rejected(row, str(error)))
                line.null[row] = True
                continue
            if isinstance(value, bytes):
                line.starts[row] = base + len(texts)
                texts += value
                line.ends[row] = base + len(texts)
            elif isinstance(value, float):
                numbers[row] = value
            else:
                line.values[row] = value
        return np.frombuffer(bytes(texts), np.uint8)

    def _reject(self, rows: NDArray[np.intp], array: pa.Array, rejected: dict[int, Rejected]) -> None:
        """Reject rows whose values never fit."""
        for row in rows.tolist():
            what = "text that is not UTF-8" if array[row].is_valid else "null"
            rejected.setdefault(row, self._rejected(row, f"{what}; expected {expected(self._scalar)}"))

    def _rejected(self, row: int, detail: str) -> Rejected:
        return Rejected(row, Reason.BAD_VALUE, f"{self._field.path}: {detail}")


class _Absent(Exception):
    """A batch has no column for a field.

    Args:
        what: is absent.
        present: how many names of the field's path there are.
        meant: which column may be meant; empty if none is.
    """

    def __init__(self, what: str, present: int, meant: str = "") -> None:
        super().__init__(what)
        self.present, self.meant = present, meant


def _constant(record: Record, path: str, absent: _Absent) -> pa.Scalar | None:
    """Return what a field is without a column; None if that is not known."""
    if absent.meant:
        return None
    try:
        return pa.scalar(default_of(record, path, absent.present))
    except LookupError:
        return None


def _type_of(names: list[str], found: pa.Schema, others: list[str]) -> pa.DataType:
    """Return the type of a column, or of a member of a struct.

    Args:
        names: the column's, then those of the members inside.
        found: the schema of the batches.
        others: its columns that are no fields of an event.

    Raises:
        _Absent: there is none.
        Misconfigured: there are two.
    """
    places = found.get_all_field_indices(names[0])
    if not places:
        meant = did_you_mean(names[0], others)
        raise _Absent(f"no column '{names[0]}'{meant}", 0, meant)
    if len(places) > 1:
        raise Misconfigured([Problem(f"column '{names[0]}'", "occurs more than once", "keep one")])
    kind = found.field(places[0]).type
    for present, name in enumerate(names[1:], 1):
        at = kind.get_field_index(name) if pa.types.is_struct(kind) else -1
        if at < 0:
            raise _Absent(f"column '{'.'.join(names[:present])}' is {kind}, which has no '{name}'", present)
        kind = kind.field(at).type
    return kind


def _not_utf8(array: pa.Array) -> NDArray[np.intp]:
    """Return the rows whose text is not UTF-8, which files may contain."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        values = array.cast(pa.large_binary()).to_pylist()
        return np.array([row for row, value in enumerate(values) if value is not None and not _is_utf8(value)], np.intp)
    return np.empty(0, np.intp)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _plain(scalar: pa.Scalar) -> object:
    """Return a value as Python has it; its text if Python has no such date or time."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return str(scalar)
