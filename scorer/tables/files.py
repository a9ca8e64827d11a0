"""Files of tables: Parquet and CSV, read and written batch by batch."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
from pyarrow import csv, parquet

from scorer.batch import Kind
from scorer.errors import Misconfigured, Problem
from scorer.tables.csv_lines import BLOCK_BYTES, Bad, CsvLines

ROWS = 8_192  # in a batch: few enough to stay in the processor's cache
ROW_GROUP = 1 << 17  # rows that are written to Parquet together
_REPEATED = ["model", "version", "arm", "source_topic", "reason"]  # columns of predictions with few different values


def slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch in batches of at most ROWS; none if it has no rows."""
    return (batch.slice(start, ROWS) for start in range(0, batch.num_rows, ROWS))


class TableFile:
    """A file of events.

    Args:
        path: its name ends in .parquet or .csv.
        needed: the kind of each field that is read, by its dotted path.
        bad: takes the error of a line of CSV with more or fewer cells than names, which is then skipped; by default the
            file cannot be read.
        groups: the row groups of Parquet that are read; None for all.

    Attributes:
        schema: its columns, of which batches have those that are read. In a batch of CSV, a column with a cell that is
            not of its type has text.

    Raises:
        Misconfigured: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        needed: Mapping[str, Kind],
        bad: Bad | None = None,
        groups: Sequence[int] | None = None,
    ) -> None:
        self._path = path
        with reading(path):
            if path.suffix == ".parquet":
                self.schema, self._batches, self._share = _open_parquet(path, needed, groups)
            else:
                lines = CsvLines(path, needed, bad)
                self.schema, self._batches, self._share = lines.schema, lines.batches(), lambda _: lines.share
        self._read = 0

    @property
    def share(self) -> float:
        """How much of it was read, from 0 to 1."""
        return self._share(self._read)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield its rows in order, once.

        Raises:
            Misconfigured: it cannot be read to its end.
        """
        while True:
            with reading(self._path):
                batch = next(self._batches, None)
            if batch is None:
                return
            self._read += batch.num_rows
            yield from slices(batch)


class Writer(Protocol):
    """Writes batches to a file; `close` completes it."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write a batch."""

    def close(self) -> None:
        """Complete the file."""


def table_writer(suffix: str, out: BinaryIO, schema: pa.Schema) -> Writer:
    """Return the writer of batches for an open file, by the ending of its name."""
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


# The columns of a file, its batches, and how much of it was read with so many rows.
_Opened = tuple[pa.Schema, Iterator[pa.RecordBatch], Callable[[int], float]]


def rows_of_groups(path: Path) -> list[int]:
    """Return how many rows each row group of a Parquet file has.

    Raises:
        Misconfigured: it cannot be read.
    """
    with reading(path):
        found = parquet.read_metadata(path)
        return [found.row_group(at).num_rows for at in range(found.num_row_groups)]


def _open_parquet(path: Path, needed: Mapping[str, Kind], groups: Sequence[int] | None) -> _Opened:
    file = parquet.ParquetFile(path, pre_buffer=True)
    wanted = {each.partition(".")[0] for each in needed}
    names = [name for name in file.schema_arrow.names if name in wanted]
    chosen = list(range(file.metadata.num_row_groups) if groups is None else groups)
    rows = sum(file.metadata.row_group(at).num_rows for at in chosen)
    batches = file.iter_batches(ROWS, row_groups=chosen, columns=names, use_threads=False)
    return file.schema_arrow, batches, lambda read: read / rows if rows else 1.0


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of Arrow into one that names the file.

    Raises:
        Misconfigured: the file cannot be read.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a name in the footer of Parquet
        what = " ".join(str(getattr(error, "strerror", None) or error).split())
        if "straddling object" in what:  # Arrow's word for what does not fit into a block
            what = f"a line has more than {BLOCK_BYTES:,} bytes, perhaps since a quote is never closed"
        kind = "Parquet" if path.suffix == ".parquet" else "CSV with a line of names, separated by commas"
        raise Misconfigured([Problem(str(path), f"cannot be read: {what}", f"expected {kind}")]) from None


def _flat(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) else kind


def _as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value)
