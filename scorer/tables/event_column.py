"""One field of the events in Arrow arrays: its values go to its line of the table, and misfits reject their rows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.avro.program.machine import Line
from scorer.avro.types.grammar import Scalar
from scorer.avro.values.plain import expected
from scorer.batch import Field, Kind, Reason, Rejected
from scorer.tables.csv_lines import parsed
from scorer.tables.fields import Fast, fast_way, is_text, one_by_one, write_texts

_NOTHING = np.empty(0, np.uint8)


def member(batch: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    """Return a column, or a member of its structs, null where a struct around it is.

    Args:
        batch: has the column.
        names: the column's, then those of the members inside.
    """
    array = batch.column(names[0])
    for name in names[1:]:
        array = array.flatten()[array.type.get_field_index(name)]
    return array


class EventColumn:
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
        self._field, self._scalar, self._found = field, scalar, found
        self._fast: Fast | None = fast_way(scalar, field, found)
        self._is_text = field.kind == Kind.TEXT and scalar.logical != "uuid" and is_text(found)

    def column(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the field's values, null where a struct around them is."""
        if self._constant is not None:
            return pa.repeat(self._constant, batch.num_rows)
        return member(batch, self._names)

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
        given, array = array, parsed(array, self._found) if self._is_unparsed(array) else array
        if self._fast is None:
            return self._convert(np.flatnonzero(~line.null), array, given, line, base, rejected)
        values, doubtful = self._fast(array)
        line.values[:] = values.view(np.int64)
        unread = array.null_count > given.null_count
        if doubtful is None and not unread:
            return _NOTHING
        rows = np.zeros(len(array), np.bool_) if doubtful is None else doubtful
        if unread:
            rows = rows | array.is_null().to_numpy(zero_copy_only=False)
        return self._convert(np.flatnonzero(rows & ~line.null), array, given, line, base, rejected)

    def _is_unparsed(self, array: pa.Array) -> bool:
        """Whether an array has text from CSV, with a cell that is not of the column's type."""
        return is_text(array.type) and not is_text(self._found)

    def _convert(  # noqa: PLR0913, PLR0917  the values before and after parsing, and where they go
        self,
        rows: NDArray[np.intp],
        array: pa.Array,
        given: pa.Array,
        line: Line,
        base: int,
        rejected: dict[int, Rejected],
    ) -> NDArray[np.uint8]:
        """Convert the values of some rows one by one; where `array` is null, those of `given`."""
        texts, numbers = bytearray(), line.values.view(np.float64)
        for row in rows.tolist():
            value = array[row] if array[row].is_valid else given[row]
            try:
                value = one_by_one(self._scalar, _plain(value))
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
    """Return a value as a Python object; its text if Python has no such date or time."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes().decode(errors="replace")
    except (ValueError, OverflowError):
        return str(scalar)
