"""Sample events as columns: what the fields really hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.avro import MOST_DIGITS, Decoder, Schema, Wanted, read_events, unframed
from scorer.batch import Column, Events, Field, Kind, Records
from scorer.plan.keys import Encoding, Part
from scorer.plan.time_parts import take_part

MOST_EVENTS = 5_000
MOST_BYTES = 1_000_000  # of an event
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Decoded sample events; without any, nothing is known of the values.

    events: one column for each field that can be used; None if there are no events.
    """

    events: Events | None = None

    @classmethod
    def read(cls, path: Path, schema: Schema) -> "Samples":
        """Read the first events of a file.

        Raises:
            BadEvent: the file cannot be read, or an event does not fit the schema.
        """
        bodies = list(islice(read_events(path, schema, MOST_BYTES), MOST_EVENTS))
        usable = [path for path, field in schema.fields.items() if not schema.why_not(path) and _decodes(schema, field)]
        texts = [path for path in usable if schema.fields[path].kind is Kind.TEXT]
        decoder = Decoder(Wanted(schema, usable, texts), unframed(schema), MOST_BYTES)
        return cls(decoder.decode(Records.of(bodies)))

    @property
    def count(self) -> int:
        """How many events there are."""
        return 0 if self.events is None else self.events.rows

    def numbers(self, path: str, part: str | None = None) -> NDArray[np.float64]:
        """Return the values of a field, or one part of each time, NaN where null; empty if they are not known."""
        column = self._column(path)
        if column is None or not len(column.values):
            return np.empty(0)
        values = take_part(part, column) if part else column.values
        return np.where(self._null(column), np.nan, values.astype(np.float64))

    def texts(self, path: str) -> list[str | None]:
        """Return the texts of a field as a key has them, None where null; empty if they are not known."""
        column = self._column(path)
        return [] if column is None else list(self._texts(column))

    def keys(self, part: Part) -> list[bytes | None]:
        """Return the bytes that a part of a key has for each event, None where null; empty if they are not known."""
        column = self._column(part.path)
        if column is None:
            return []
        if part.encoding is not Encoding.TEXT:
            return list(self._encoded(column, part.encoding))
        if part.format is None:
            return [None if text is None else text.encode() for text in self._texts(column)]
        return [None if moment is None else part.text(moment) for moment in self._moments(column)]

    def _column(self, path: str) -> Column | None:
        return None if self.events is None else self.events.columns.get(path)

    def _null(self, column: Column) -> NDArray[np.bool_]:
        assert self.events is not None  # noqa: S101  there is a column
        null = column.null.copy()
        null[[rejected.row for rejected in self.events.rejected]] = True
        return null

    def _texts(self, column: Column) -> Iterator[str | None]:
        assert self.events is not None  # noqa: S101  there is a column
        field = column.field
        for row, null in enumerate(self._null(column).tolist()):
            if null:
                yield None
            elif field.kind is Kind.TEXT and column.starts is not None and column.ends is not None:
                yield self.events.data[column.starts[row] : column.ends[row]].tobytes().decode(errors="replace")
            elif field.kind is Kind.ENUM:
                yield field.symbols[int(column.values[row])]
            elif field.kind is Kind.BOOLEAN:
                yield "true" if column.values[row] else "false"
            else:
                yield str(column.values[row].item())

    def _encoded(self, column: Column, encoding: Encoding) -> Iterator[bytes | None]:
        """Yield the bytes of each value in a binary key."""
        if column.field.kind in {Kind.DATE, Kind.TIMESTAMP}:
            seconds = (
                (moment - _EPOCH) // timedelta(seconds=1) if moment else None for moment in self._moments(column)
            )
            yield from (None if each is None else each.to_bytes(8, "little", signed=True) for each in seconds)
            return
        for text in self._texts(column):
            if text is None:
                yield None
            elif not encoding.width:
                yield len(text.encode()).to_bytes(4, "little") + text.encode()
            elif -(2 ** (8 * encoding.width - 1)) <= int(text) < 2 ** (8 * encoding.width - 1):
                yield int(text).to_bytes(encoding.width, "little", signed=True)
            else:
                yield None

    def _moments(self, column: Column) -> Iterator[datetime | None]:
        date = column.field.kind is Kind.DATE
        for null, value in zip(self._null(column).tolist(), column.values.tolist(), strict=True):
            try:
                since = timedelta(days=value) if date else timedelta(seconds=value / column.field.ticks)
                yield None if null else _EPOCH + since
            except OverflowError:  # beyond the years 1 to 9999
                yield None


def _decodes(schema: Schema, field: Field) -> bool:
    return schema.scalars[field.path].precision <= MOST_DIGITS
