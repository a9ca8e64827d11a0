"""The columns of tables of features: keys, numbers and times."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from scorer.arrays.spans import Texts
from scorer.avro import Schema, Wanted
from scorer.batch import NO_SLOT, NO_TIME, Kind
from scorer.errors import Misconfigured, Problem
from scorer.plan import Entity
from scorer.scoring.keyring import Keyring
from scorer.tables.csv_lines import read_csv
from scorer.tables.events import TableEvents
from scorer.tables.files import reading

KEY = "key"  # the column with whole keys, as in Redis
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
_BEYOND = 2.0**63  # the first number that is too large for int64
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def read_features(file: Path, entity: Entity, schema: Schema, as_of: str | None) -> pa.Table:
    """Return a whole table.

    Raises:
        Misconfigured: it cannot be read.
    """
    if file.suffix == ".csv":
        kinds = {part.path: schema.fields[part.path].kind for part in entity.key.parts}
        features = dict.fromkeys(entity.fields, Kind.FLOAT)
        with reading(file):
            return read_csv(file, {KEY: Kind.TEXT} | kinds | features, as_of)
    try:
        return parquet.read_table(file, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        what = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise Misconfigured([Problem(str(file), f"cannot be read: {what}", "expected Parquet or CSV")]) from None


def keys_of(entity: Entity, table: pa.Table, schema: Schema, where: str) -> tuple[Texts, NDArray[np.bool_]]:
    """Return the key of each row, made as those of events are, and which rows have one.

    Raises:
        Misconfigured: no keys can be made of the columns.
    """
    paths = [part.path for part in entity.key.parts]
    if has_whole_keys(entity, table):
        try:
            column = table.column(KEY).cast(pa.large_string()).combine_chunks()
        except pa.ArrowException as error:
            what = f"column '{KEY}' is {table.schema.field(KEY).type}: {' '.join(str(error).split())}"
            raise Misconfigured([Problem(where, what, "expected texts in UTF-8")]) from None
        return _texts(column), ~nulls(table.column(KEY))
    texts = [part.path for part in entity.key.parts if part.is_text]
    wanted = Wanted(schema, [path for path in paths if path not in texts], texts)
    columns = table.select(list(dict.fromkeys(paths)))
    events, keyring = TableEvents(wanted, columns.schema, where), Keyring(entity.key, schema.fields)
    made, there, rows = list[bytes](), list[NDArray[np.bool_]](), 0
    for batch in columns.to_batches():
        found = events.events(batch)
        if found.rejected:
            first = found.rejected[0]
            what = f"row {rows + first.row}: {first.detail}"
            raise Misconfigured([Problem(where, what, "expected values of which a key can be made")])
        slots, keys = keyring.keys(found, np.ones(found.rows, np.bool_))
        there.append(slots != NO_SLOT)
        rows += found.rows
        each = keys[:]
        made += [each[slot] if slot != NO_SLOT else b"" for slot in slots.tolist()]
    return Texts.of(made), np.concatenate([*there, np.zeros(0, np.bool_)])


def _texts(column: pa.Array) -> Texts:
    if not len(column):
        return Texts.of([])
    _, offsets, data = column.buffers()
    edges = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    return Texts(np.frombuffer(data or b"", np.uint8), edges[:-1], edges[1:])


def nulls(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return where a column is null."""
    found: NDArray[np.bool_] = column.is_null().to_numpy()
    return found


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column as float64, NaN where it is null."""
    found: NDArray[np.float64] = pc.cast(column, pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    return found


def seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return times as Unix seconds, NaN where they are null."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if not pa.types.is_timestamp(column.type):
        return numbers(column)
    return numbers(column.cast(pa.int64())) / _PER_SECOND[column.type.unit]


def since_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return times as milliseconds, rounded up so that none is earlier than it is; NO_TIME where there is none.

    Numbers are Unix seconds; NaN, an infinity, and a number beyond 64 bits are no times.
    """
    absent = nulls(column)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if not pa.types.is_timestamp(column.type):
        found = np.ceil(numbers(column) * 1_000)
        there = ~absent & (np.abs(found) < _BEYOND)
        return np.where(there, np.where(there, found, 0).astype(np.int64), NO_TIME)
    ticks, per_second = column.cast(pa.int64()).fill_null(0).to_numpy(), _PER_SECOND[column.type.unit]
    many = per_second > 1_000  # noqa: PLR2004  in a millisecond
    found = -(-ticks // (per_second // 1_000)) if many else ticks * (1_000 // per_second)
    return np.where(absent, NO_TIME, found)


def has_whole_keys(entity: Entity, table: pa.Table) -> bool:
    """Whether a table has a column with whole keys, as in Redis, rather than the fields that they are made of."""
    parts = {part.path for part in entity.key.parts}
    return KEY in table.column_names and KEY not in parts and entity.layout != "feast"


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds numbers."""
    return any(test(kind) for test in _NUMBERS)


def is_time(kind: pa.DataType) -> bool:
    """Whether a type holds times; numbers are Unix seconds."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or is_number(kind))
