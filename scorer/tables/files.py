"""Files of tables: Parquet and CSV, read and written batch by batch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
from pyarrow import csv, parquet

from scorer.batch import Kind
from scorer.errors import Misconfigured, Problem

ROWS = 8_192  # in a batch: few enough to stay in the processor's cache
ROW_GROUP = 1 << 17  # rows that are written to Parquet together
_REPEATED = ["model", "version", "arm", "source_topic", "reason"]  # columns of predictions with few different values
# How columns of CSV are read. Of the others, dates and times, Arrow finds out whether they are numbers or text.
_IN_CSV = {
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TEXT: pa.string(),
    Kind.ENUM: pa.string(),
    Kind.DECIMAL: pa.string(),
}


class TableFile:
    """A file of events.

    Args:
        path: its name ends in .parquet or .csv.
        needed: the kind of each field that is read, by its dotted path.

    Attributes:
        schema: its columns, of which batches have those that are read.

    Raises:
        Misconfigured: it cannot be read.
    """

    def __init__(self, path: Path, needed: Mapping[str, Kind]) -> None:
        self._path = path
        with _reading(path):
            opened = _open_parquet if path.suffix == ".parquet" else _open_csv
            self.schema, self._batches = opened(path, needed)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield its rows in order, once.

        Raises:
            Misconfigured: it cannot be read to its end.
        """
        while True:
            with _reading(self._path):
                batch = next(self._batches, None)
            if batch is None:
                return
            yield from (batch.slice(start, ROWS) for start in range(0, batch.num_rows, ROWS))


class Writer(Protocol):
    """Writes batches to a file; `close` completes it."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write a batch."""

    def close(self) -> None:
        """Complete the file."""


def table_writer(suffix: str, out: BinaryIO, schema: pa.Schema) -> Writer:
    """Return what writes batches to an open file, in the form that the ending of its name says."""
    if suffix == ".parquet":
        return _RowGroups(parquet.ParquetWriter(out, schema, compression="zstd", use_dictionary=_REPEATED))
    return _Lines(out, schema)


class _RowGroups:
    """Writes batches to Parquet in large row groups."""

    def __init__(self, writer: parquet.ParquetWriter) -> None:
        self._writer, self._held, self._rows = writer, list[pa.RecordBatch](), 0

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._write()

    def close(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held), row_group_size=self._rows)
            self._held, self._rows = [], 0


class _Lines:
    """Writes batches to CSV; lists and structs as JSON, since CSV has only text and numbers."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        self._schema = pa.schema([field.with_type(_flat(field.type)) for field in schema])
        self._writer = csv.CSVWriter(out, self._schema)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        columns = [
            array if array.type == field.type else pa.array(map(_as_json, array.to_pylist()), field.type)
            for array, field in zip(batch.columns, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _open_parquet(path: Path, needed: Mapping[str, Kind]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    file = parquet.ParquetFile(path, pre_buffer=True)
    wanted = {each.partition(".")[0] for each in needed}
    names = [name for name in file.schema_arrow.names if name in wanted]
    return file.schema_arrow, file.iter_batches(ROWS, columns=names, use_threads=False)


def _open_csv(path: Path, needed: Mapping[str, Kind]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    known = {path: _IN_CSV[kind] for path, kind in needed.items() if kind in _IN_CSV}
    file = csv.open_csv(
        path,
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=known, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    return file.schema, iter(file)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        what = " ".join(str(getattr(error, "strerror", None) or error).split())
        kind = "Parquet" if path.suffix == ".parquet" else "CSV with a line of names"
        raise Misconfigured([Problem(str(path), f"cannot be read: {what}", f"expected {kind}")]) from None


def _flat(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) else kind


def _as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value)
