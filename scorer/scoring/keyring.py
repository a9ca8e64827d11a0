"""From columns of events to the distinct keys of a batch."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.distinct import distinct
from scorer.arrays.kernel import Bytes, BytesOut, Flags, Ints, Ints3, entry
from scorer.arrays.spans import Texts, copy
from scorer.batch import Events, Field, Kind
from scorer.plan.keys import Encoding, KeyTemplate, Part

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = (datetime.min.replace(tzinfo=UTC) - _EPOCH).days
_LAST_DAY = (datetime.max.replace(tzinfo=UTC) - _EPOCH).days
_SECONDS = 86_400  # in a day
_DAY_MICROSECONDS = _SECONDS * 1_000_000
_INT64 = np.iinfo(np.int64)
_REMEMBERED = 4_096  # texts of moments

_Spans = tuple[NDArray[np.int64], NDArray[np.int64]]  # where the text of each row starts and ends


class Keyring:
    """Makes the distinct keys of each batch from one template.

    Args:
        template: the template of the keys.
        fields: the fields of the schema, by dotted path; the template was checked against them
            (`KeyTemplate.problems`).
    """

    def __init__(self, template: KeyTemplate, fields: Mapping[str, Field]) -> None:
        self._paths = [part.path for part in template.parts]
        pieces = [each for piece in template.pieces for each in _pieces(piece, fields)]
        self._limited = [piece for piece in pieces if isinstance(piece, _Moment | _Number)]
        self._from_event = np.array([isinstance(piece, _Text) for piece in pieces])
        # Literal text is the same in every key: it stands first in what is made, and its places are known.
        literals = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        self._literal, ends = b"".join(literals), np.cumsum([*map(len, literals)], dtype=np.int64)
        self._literals = np.stack([ends - [*map(len, literals)], ends])[:, :, None]
        self._pieces = [(at, piece) for at, piece in enumerate(pieces) if not isinstance(piece, bytes)]

    def keys(self, events: Events, good: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Texts]:
        """Make the keys of a batch.

        Args:
            events: the batch.
            good: bool [rows], the rows that need a key.

        Returns:
            int32 [rows], the index of each row's key; NO_SLOT if the row needs no key, or if a field of the key is null
            or a time out of range (outside the years 1 to 9999, or outside a day), or a number beyond its width. The
            distinct keys.
        """
        usable = good
        for path in self._paths:
            usable = usable > events.columns[path].null  # and not
        for limited in self._limited:
            usable = usable & limited.known(events)
        made = bytearray(self._literal)
        spans = np.empty((2, len(self._from_event), events.rows), np.int64)
        spans[:] = self._literals
        for at, piece in self._pieces:
            spans[0, at], spans[1, at] = piece.spans(events, usable, made)
        starts, ends = np.empty(events.rows, np.int64), np.empty(events.rows, np.int64)
        data = np.empty(lay_out(spans, usable, starts, ends), np.uint8)
        texts = events.data, np.frombuffer(made, np.uint8)
        write_keys(_Pieces(*texts, self._from_event, spans), usable, data)
        slots, first = distinct(data, starts, ends, usable)
        return slots, Texts(data, starts[first], ends[first])


class _Text:
    """A piece of the template that is the text of a field."""

    def __init__(self, path: str) -> None:
        self._path = path

    def spans(self, events: Events, _usable: NDArray[np.bool_], _made: bytearray) -> _Spans:
        column = events.columns[self._path]
        return np.asarray(column.starts), np.asarray(column.ends)


class _Length:
    """A piece of a binary key that is the length of the text that follows."""

    def __init__(self, path: str) -> None:
        self._path = path

    def spans(self, events: Events, _usable: NDArray[np.bool_], made: bytearray) -> _Spans:
        column = events.columns[self._path]
        return _numbers(np.asarray(column.ends) - np.asarray(column.starts), "<u4", made)


class _Number:
    """A piece of a binary key that is a number, or the Unix seconds of a date or a timestamp.

    Args:
        part: the part of the template, with the encoding.
        field: an integer, a date or a timestamp.
    """

    def __init__(self, part: Part, field: Field) -> None:
        self._path, self._type = part.path, f"<i{part.encoding.width}"
        self._factor = _SECONDS if part.encoding is Encoding.SECONDS and field.kind is Kind.DATE else 1
        self._ticks = field.ticks if part.encoding is Encoding.SECONDS else 1

    def known(self, events: Events) -> NDArray[np.bool_]:
        """Return which values are within the range of the number."""
        values, limits = events.columns[self._path].values, np.iinfo(self._type)
        return (values >= limits.min) & (values <= limits.max)

    def spans(self, events: Events, _usable: NDArray[np.bool_], made: bytearray) -> _Spans:
        values = events.columns[self._path].values.astype(np.int64, copy=False)
        seconds = values // self._ticks
        seconds += (values < 0) & (seconds * self._ticks != values)  # towards zero, as Feast rounds
        return _numbers(seconds * self._factor, self._type, made)


def _numbers(values: NDArray[np.int64], dtype: str, made: bytearray) -> _Spans:
    """Append the number of each row; return where they are."""
    start = len(made)
    made += values.astype(dtype).tobytes()
    starts = np.arange(start, len(made), np.dtype(dtype).itemsize)
    return starts, starts + np.dtype(dtype).itemsize


class _Moment:
    """A piece of the template that is a formatted time; values with the same text are formatted only once.

    Args:
        part: the part of the template, with the format.
        field: a date, a time or a timestamp.
    """

    def __init__(self, part: Part, field: Field) -> None:
        self._part = part
        self._day = 1 if field.kind is Kind.DATE else _SECONDS * field.ticks
        self._step = max(1, self._day * part.step // _SECONDS)
        first, last = (0, 0) if field.kind is Kind.TIME else (_FIRST_DAY, _LAST_DAY)
        self._least = max(first * self._day, _INT64.min)
        self._most = min((last + 1) * self._day - 1, _INT64.max)
        # The events of many batches have the same hour or day.
        self._text = lru_cache(_REMEMBERED)(partial(_moment, part, self._step, self._day))

    def known(self, events: Events) -> NDArray[np.bool_]:
        """Return which values are within the range of a calendar, or of a day."""
        values = events.columns[self._part.path].values
        return (values >= self._least) & (values <= self._most)

    def spans(self, events: Events, usable: NDArray[np.bool_], made: bytearray) -> _Spans:
        steps = events.columns[self._part.path].values // self._step
        wanted = steps[usable]
        distinct_steps = np.unique(wanted) if len(wanted) > 1 else wanted
        edges = [len(made)]
        for step in distinct_steps.tolist():
            made += self._text(step)
            edges.append(len(made))
        each, places = distinct_steps.searchsorted(steps), np.array(edges)
        return places.take(each, mode="clip"), places.take(each + 1, mode="clip")


def _moment(part: Part, step: int, day: int, number: int) -> bytes:
    """Return the text of a moment, given the ticks of a step and of a day, and the number of the step."""
    return part.text(_EPOCH + timedelta(microseconds=number * step * _DAY_MICROSECONDS // day))


_Piece = _Text | _Length | _Number | _Moment


def _pieces(piece: bytes | Part, fields: Mapping[str, Field]) -> Iterator[bytes | _Piece]:
    if isinstance(piece, bytes):
        yield piece
    elif piece.format is not None:
        yield _Moment(piece, fields[piece.path])
    elif piece.encoding.width:
        yield _Number(piece, fields[piece.path])
    else:
        if piece.encoding is Encoding.SIZED:
            yield _Length(piece.path)
        yield _Text(piece.path)


@entry
def lay_out(spans: Ints3, usable: Flags, starts: Ints, ends: Ints) -> int:
    """Compute where the key of each row starts and ends when all are concatenated; return their total length in bytes.

    Args:
        spans: int64 [2, pieces, rows], where each piece starts and ends.
        usable: bool [rows], the rows that have a key.
        starts: int64 [rows], output.
        ends: int64 [rows], output.
    """
    at = 0
    for row in range(len(usable)):
        starts[row] = at
        if usable[row]:
            for piece in range(spans.shape[1]):
                at += spans[1, piece, row] - spans[0, piece, row]
        ends[row] = at
    return at


class _Pieces(NamedTuple):
    """The pieces that keys are made of."""

    data: Bytes  # [bytes]: the texts of the events
    made: Bytes  # [bytes]: the other texts
    from_event: Flags  # [pieces]: whether a piece is a slice of `data`; otherwise of `made`
    spans: Ints3  # [2, pieces, rows]: where each piece starts and ends


@entry
def write_keys(pieces: _Pieces, usable: Flags, keys: BytesOut) -> None:
    """Write the keys of all rows, concatenated.

    Args:
        pieces: the pieces of the keys.
        usable: bool [rows], the rows that have a key.
        keys: uint8 [bytes], output.
    """
    data, made, from_event, spans = pieces.data, pieces.made, pieces.from_event, pieces.spans
    at = 0
    for row in range(len(usable)):
        if usable[row]:
            for piece in range(len(from_event)):
                start, end = spans[0, piece, row], spans[1, piece, row]
                at = copy(data, start, end, keys, at) if from_event[piece] else copy(made, start, end, keys, at)
