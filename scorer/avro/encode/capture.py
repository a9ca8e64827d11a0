"""Rows as the model saw them, as records of `capture.avsc`."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.avro.values.binary import pack_long, unpack_long
from scorer.batch import NO_TIME, ScoreArray

CAPTURE_TEXT = Path(__file__).with_name("capture.avsc").read_text()
_FLOAT, _DOUBLE = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """Some rows of a batch.

    ids:        the id of each event.
    scores:     [rows] or [rows, outputs].
    model:      the model's name.
    arms:       the version and the arm of each row.
    columns:    the names of the columns.
    values:     float32 [rows, columns], NaN where missing.
    sample:     the share of events that is captured.
    places:     topic, partition and offset of each event.
    event_time: int64 [rows], milliseconds since the epoch, or NO_TIME.
    scored_at:  milliseconds since the epoch.
    """

    ids: list[bytes]
    scores: ScoreArray
    model: str
    arms: list[tuple[str, str]]
    columns: tuple[str, ...]
    values: NDArray[np.float32]
    sample: float
    places: list[tuple[str, int, int]]
    event_time: NDArray[np.int64]
    scored_at: int

    def encoded(self) -> list[bytes]:
        """Return a record's value for each row; the time of an event that has none is `scored_at`."""
        columns, sample, scored_at = _texts(self.columns), struct.pack("<d", self.sample), pack_long(self.scored_at)
        several, wide = self.scores.ndim > 1, self.scores.astype("<f8")
        values = np.ascontiguousarray(self.values, "<f4")
        times = np.where(self.event_time == NO_TIME, self.scored_at, self.event_time).tolist()
        return [
            b"".join((
                pack_long(len(self.ids[at])), self.ids[at],
                b"\x02" + _array(wide[at].tobytes(), wide.shape[1]) if several else b"\x00" + wide[at].tobytes(),
                _text(self.model), _text(version), _text(arm), columns,
                _array(values[at].tobytes(), values.shape[1]), sample,
                _text(topic), pack_long(partition), pack_long(offset), pack_long(times[at]), scored_at,
            ))
            for at, ((version, arm), (topic, partition, offset)) in enumerate(zip(self.arms, self.places, strict=True))
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CapturedRow:
    """One row that was read; `row` is float32 [columns], and `scored_at` milliseconds since the epoch."""

    event_id: bytes
    version: str
    arm: str
    columns: tuple[str, ...]
    row: NDArray[np.float32]
    sample: float
    scored_at: int


def read_capture(value: bytes) -> CapturedRow:
    """Return the row of a record.

    Raises:
        ValueError: it is no record of `capture.avsc`.
    """
    try:
        return _Reader(value).row()
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"no captured row: {error}") from error


class _Reader:
    """Reads the fields of a record in their order."""

    def __init__(self, value: bytes) -> None:
        self._value, self._at = value, 0

    def row(self) -> CapturedRow:
        event_id = self._bytes()
        if self._long():
            self._items(_DOUBLE)
        else:
            self._take(_DOUBLE)
        _, version, arm = (self._bytes().decode() for _ in range(3))
        columns = _names(self._names())
        row = np.frombuffer(self._items(_FLOAT), "<f4")
        (sample,) = struct.unpack("<d", self._take(_DOUBLE))
        self._bytes()
        numbers = [self._long() for _ in range(4)]
        if self._at != len(self._value) or len(row) != len(columns) or not 0 < sample <= 1:
            raise ValueError("no captured row: its parts do not fit together")
        return CapturedRow(event_id, version, arm, columns, row, sample, numbers[-1])

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._value):
            raise IndexError("it ends too early")
        self._at += size
        return self._value[self._at - size : self._at]

    def _long(self) -> int:
        end = self._at
        while self._value[end] & 0x80:  # more bytes follow; an IndexError says that they do not
            end += 1
        number, self._at = unpack_long(self._value, self._at)
        return number

    def _bytes(self) -> bytes:
        return self._take(self._long())

    def _blocks(self) -> Iterator[int]:
        while count := self._long():
            if count < 0:
                self._long()  # the size of the block
            yield abs(count)

    def _items(self, size: int) -> bytes:
        return b"".join([self._take(count * size) for count in self._blocks()])

    def _names(self) -> bytes:
        begin = self._at
        for count in self._blocks():
            for _ in range(count):
                self._bytes()
        return self._value[begin : self._at]


@lru_cache(maxsize=64)
def _names(array: bytes) -> tuple[str, ...]:
    """Return the texts of an array; cached, since the rows of a version have the same."""
    reader = _Reader(array)
    return tuple(reader._bytes().decode() for count in reader._blocks() for _ in range(count))  # noqa: SLF001  our own class


@lru_cache(maxsize=64)
def _texts(texts: tuple[str, ...]) -> bytes:
    """Encode an array of texts; cached for the same reason."""
    return _array(b"".join(map(_text, texts)), len(texts))


@lru_cache(maxsize=256)
def _text(text: str) -> bytes:
    return pack_long(len(text.encode())) + text.encode()


def _array(items: bytes, count: int) -> bytes:
    return (pack_long(count) + items if count else b"") + b"\x00"
