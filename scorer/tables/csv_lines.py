"""CSV with a line of names, read batch by batch. A cell that is not of its column's type does not end the reading."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from scorer.avro import BadEvent
from scorer.avro.values.showing import shown
from scorer.batch import Kind

BLOCK_BYTES = 1 << 20  # read together: a line is not longer
# The types of columns. Those of the others, dates and times, are found in the first block.
_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TEXT: pa.string(),
    Kind.ENUM: pa.string(),
    Kind.DECIMAL: pa.string(),
}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
Bad = Callable[[BadEvent], None]


class CsvLines:
    """The lines of a CSV file.

    Args:
        path: the file.
        needed: the kind of each column that is read.
        bad: takes the error of a line with more or fewer cells than names, which is then skipped; by default it is an
            error of the whole file.

    Attributes:
        schema: its columns. In a batch, a column with a cell that is not of its type has text.

    Raises:
        ArrowException: it cannot be read.
        OSError: the same.
    """

    def __init__(self, path: Path, needed: Mapping[str, Kind], bad: Bad | None = None) -> None:
        self._path, self._bad, self._ragged = path, bad, list[csv.InvalidRow]()
        known = {name: _TYPES[kind] for name, kind in needed.items() if kind in _TYPES}
        with csv.open_csv(path, *self._options(dict.fromkeys(known, pa.string()))) as first:
            self.schema = pa.schema([each.with_type(known.get(each.name, _found(each.type))) for each in first.schema])
        self._ragged.clear()
        _check_separator(self.schema.names)
        self._source = pa.OSFile(str(path))
        self._size = max(self._source.size(), 1)
        self._reader = csv.open_csv(self._source, *self._options(dict.fromkeys(self.schema.names, pa.string())))

    @property
    def share(self) -> float:
        """How much of it was read, from 0 to 1."""
        return float(self._source.tell() / self._size)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield its lines in order, once.

        Raises:
            ArrowException: it cannot be read to its end.
        """
        for batch in self._reader:
            self._skip_ragged()
            columns = [typed(column, field.type) for column, field in zip(batch.columns, self.schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, self.schema.names)
        self._skip_ragged()

    def _options(
        self, types: Mapping[str, pa.DataType]
    ) -> tuple[csv.ReadOptions, csv.ParseOptions, csv.ConvertOptions]:
        skip = self._ragged_found if self._bad else None
        return _READ, csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip), _convert(types)

    def _ragged_found(self, row: csv.InvalidRow) -> str:
        self._ragged.append(row)  # Arrow reads ahead, in a thread of its own
        return "skip"

    def _skip_ragged(self) -> None:
        ragged, self._ragged = self._ragged, []
        for row in ragged:
            assert self._bad is not None  # noqa: S101  only then are lines skipped
            what = f"{row.actual_columns} {'cell' if row.actual_columns == 1 else 'cells'}: {shown(row.text)}"
            self._bad(BadEvent(f"{self._path.name}, record {row.number}", what, f"expected {row.expected_columns}"))


def _check_separator(names: Sequence[str]) -> None:
    """Make sure that the line of names was divided.

    Raises:
        ArrowInvalid: it has one name, with another separator in it.
    """
    if len(names) == 1 and (found := [each for each in _SEPARATORS if each in names[0]]):
        what = f"its line of names is {shown(names[0])}: cells are separated by {_SEPARATORS[found[0]]}, not by commas"
        raise pa.ArrowInvalid(what)


def read_csv(path: Path, needed: Mapping[str, Kind], inferred: str | None = None) -> pa.Table:
    """Return a whole table, in which every cell must be of its column's type.

    Args:
        path: the file.
        needed: the kinds of columns.
        inferred: a column whose type its values say.

    Raises:
        ArrowException: it cannot be read.
        OSError: the same.
    """
    types = {name: _TYPES[kind] for name, kind in needed.items() if kind in _TYPES and name != inferred}
    table = csv.read_csv(path, _READ, csv.ParseOptions(newlines_in_values=True), _convert(types, check_utf8=True))
    _check_separator(table.column_names)
    return table


def typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column of text with the values of a type; the column as it is if a cell is not of that type."""
    if kind == column.type or (pa.types.is_integer(kind) and _has_hexadecimal(column)):
        return column
    try:
        return pc.cast(pc.utf8_trim_whitespace(column), kind)
    except pa.ArrowInvalid:
        return column


def parsed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column of text with the values of a type, null where a cell is not of that type."""
    values = typed(column, kind)
    if values.type == kind:
        return values
    if len(column) == 1:
        return pa.nulls(1, kind)
    middle = len(column) // 2
    return pa.concat_arrays([parsed(column[:middle], kind), parsed(column[middle:], kind)])


def _has_hexadecimal(column: pa.Array) -> bool:
    """Whether a column of text has a number such as 0x1F, which Arrow takes for 31, and 0xFFFFFFFFFFFFFFFF for -1."""
    return any(pc.any(pc.match_substring(column, each)).as_py() for each in ("x", "X"))


_READ = csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)


def _convert(types: Mapping[str, pa.DataType], *, check_utf8: bool = False) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        column_types=types,
        check_utf8=check_utf8,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _found(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column with this type in its first block: text, if it is empty there, or has times.

    Arrow has no cast from text to a time.
    """
    return pa.string() if pa.types.is_null(kind) or pa.types.is_time(kind) else kind
