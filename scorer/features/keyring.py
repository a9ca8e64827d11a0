"""From columns of events to the distinct keys of a batch."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from scorer.batch import NO_SLOT, Column, Events, Field, Kind
from scorer.features.distinct import distinct
from scorer.features.keys import KeyTemplate, Part

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = (datetime.min.replace(tzinfo=UTC) - _EPOCH).days
_LAST_DAY = (datetime.max.replace(tzinfo=UTC) - _EPOCH).days
_SECONDS = 86_400  # in a day
_MICROSECONDS = 1_000_000  # in a second
_INT64 = np.iinfo(np.int64)


class Keyring:
    """Makes the distinct keys of each batch from one template.

    Args:
        template: of the keys.
        fields: what the schema has, by dotted path; the template fits it (`KeyTemplate.problems`).
    """

    def __init__(self, template: KeyTemplate, fields: Mapping[str, Field]) -> None:
        self._layout = template.layout
        self._parts = [
            (part.path, None if part.format is None else _Moment(part, fields[part.path])) for part in template.parts
        ]

    def keys(self, events: Events, good: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[bytes]]:
        """Make the keys of a batch.

        Args:
            events: the batch.
            good: bool [rows], the rows that need a key.

        Returns:
            int32 [rows], where each row's key is among the keys; NO_SLOT where it needs none, has a null in it, or a
            time that no calendar has (beyond the years 1 to 9999, or the hours of a day). The keys, each once.
        """
        columns = [(events.columns[path], moment) for path, moment in self._parts]
        usable = good.copy()
        for column, moment in columns:
            usable &= ~column.null
            if moment is not None:
                usable &= moment.known(column)
        texts = [column for column, moment in columns if moment is None]
        moments = [moment.codes(column) for column, moment in columns if moment is not None]
        slots, first = distinct(events.data, texts, moments, usable)
        if not columns:
            return slots, [self._layout % ()] * len(first)
        filled = [
            texts_of(events, column, first) if moment is None else moment.texts(column, first)
            for column, moment in columns
        ]
        return _each_once(slots, list(map(self._layout.__mod__, zip(*filled, strict=True))))


def texts_of(events: Events, column: Column, rows: NDArray[np.int64]) -> list[bytes]:
    """The texts of a column in some rows."""
    data = events.data.data
    starts, ends = np.asarray(column.starts)[rows].tolist(), np.asarray(column.ends)[rows].tolist()
    return [bytes(data[start:end]) for start, end in zip(starts, ends, strict=True)]


class _Moment:
    """The format of a field in a key. Values between which the text does not change have the same code.

    Args:
        part: with the format.
        field: a date, a time or a timestamp.
    """

    def __init__(self, part: Part, field: Field) -> None:
        self._part = part
        self._day = 1 if field.kind is Kind.DATE else _SECONDS * field.ticks
        self._step = max(1, self._day * part.step // _SECONDS)
        first, last = (0, 0) if field.kind is Kind.TIME else (_FIRST_DAY, _LAST_DAY)
        self._least = max(first * self._day, _INT64.min)
        self._most = min((last + 1) * self._day - 1, _INT64.max)

    def known(self, column: Column) -> NDArray[np.bool_]:
        """Whether a calendar, or a clock, has each value."""
        return (column.values >= self._least) & (column.values <= self._most)

    def codes(self, column: Column) -> NDArray[np.int64]:
        return column.values.astype(np.int64, copy=False) // self._step

    def texts(self, column: Column, rows: NDArray[np.int64]) -> list[bytes]:
        codes = self.codes(column)[rows].tolist()
        text = {code: self._part.text(self._moment(code)) for code in set(codes)}
        return [text[code] for code in codes]

    def _moment(self, code: int) -> datetime:
        return _EPOCH + timedelta(microseconds=code * self._step * _SECONDS * _MICROSECONDS // self._day)


def _each_once(slots: NDArray[np.int32], keys: list[bytes]) -> tuple[NDArray[np.int32], list[bytes]]:
    """Join what is distinct and has the same key nevertheless, as `{a}{b}` has of (x, yz) and (xy, z)."""
    once = {key: slot for slot, key in enumerate(dict.fromkeys(keys))}
    if len(once) == len(keys):
        return slots, keys
    joined = np.array([*(once[key] for key in keys), NO_SLOT], np.int32)
    return joined[slots], list(once)
