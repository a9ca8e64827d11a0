"""Converts predictions, labels and events to slim records."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.avro import PREDICTION, Decoder, Framing, Schema, Wanted
from scorer.batch import Events, Payloads, Records
from scorer.kafka.consume.records import take
from scorer.labels.fields import require_label_fields, require_segments
from scorer.labels.slim import ID_BYTES, SEPARATOR, Slim, encode, short_id
from scorer.labels.table import NO_TIME
from scorer.labels.task import Task, expected, fits
from scorer.settings import LabelSettings

MOST_BYTES = 10_000_000  # of a prediction or a label
EXAMPLE_CHARACTERS = 300
_DOUBLE = 8
_ARRAY = 2  # the varint of branch 1

Thin = tuple[list[int], list[bytes], list[bytes]]  # rows of a batch, their short ids, and the values of slim records


class Reading(Protocol):
    """Converts the records of one topic to slim records."""

    def thin(self, records: Records) -> Thin:
        """Return a slim record for each record that has something to say.

        Raises:
            Unavailable: the registry cannot provide a schema now.
        """


class Predictions:
    """Reads predictions.

    Args:
        framing: the framing of their values.
        task: what the model predicts.
    """

    def __init__(self, framing: Framing, task: Task) -> None:
        wanted = Wanted(PREDICTION, ("scored_at",), ("event_id", "version", "arm"), "event_id")
        self._decoder, self._task = Decoder(wanted, framing, MOST_BYTES), task

    def thin(self, records: Records) -> Thin:
        """Return a slim record for each prediction; other records are ignored, since no replica wrote them."""
        events = self._decoder.decode(records)
        rows = _accepted(events)
        ids = _short_ids(events, rows)
        at = events.columns["event_id"].ends
        assert at is not None  # noqa: S101  its text was asked for
        versions, arms = (_texts(events, path, rows) for path in ("version", "arm"))
        tails = [version + SEPARATOR + arm for version, arm in zip(versions, arms, strict=True)]
        scored = np.maximum(events.columns["scored_at"].values[rows].astype(np.int64), 0)
        values = encode(Slim.PREDICTION, ids, scored, self._scores(events.data, at[rows]), tails)
        return rows.tolist(), ids, values

    def _scores(self, data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the score of each prediction: the field after its event_id, which begins at these bytes."""
        several = data[at] == _ARRAY
        scores = np.full(len(at), np.nan)
        single = at[~several, np.newaxis] + np.arange(1, 1 + _DOUBLE)
        scores[~several] = np.ascontiguousarray(data[single]).view("<f8").reshape(-1)
        if self._task is Task.CLASSES:
            for row in np.flatnonzero(several).tolist():
                scores[row] = _likeliest(data, int(at[row]) + 1)
        return scores


class Labels:
    """Reads labels.

    Args:
        settings: name the fields.
        schema: the schema of a label.
        framing: the framing of their values.
        task: what the model predicts.
        segments: the fields by which quality is broken down, if they are fields of the label.

    Raises:
        Misconfigured: a field is missing, or of another kind than it must be.
    """

    def __init__(
        self, settings: LabelSettings, schema: Schema, framing: Framing, task: Task, segments: Sequence[str]
    ) -> None:
        require_label_fields(settings, schema, segments)
        self._settings, self._task, self._segments = settings, task, segments
        self._wanted = Wanted(schema, (settings.label,), segments, settings.id, settings.time)
        self._decoder = Decoder(self._wanted, framing, MOST_BYTES)

    def thin(self, records: Records) -> Thin:
        """Return a slim record for each label; for a record that is not a valid label it contains the reason."""
        events = self._decoder.decode(records)
        bad = {each.row: (str(each.reason), each.detail) for each in events.rejected}
        column, identity = events.columns[self._settings.label], events.columns[self._settings.id]
        labels = column.values.astype(np.float64)
        fit = fits(self._task, labels)
        for row in range(events.rows):
            if row not in bad and (problem := self._problem(row, identity.null, column.null, fit, labels)):
                bad[row] = problem
        rows = np.array([row for row in range(events.rows) if row not in bad], np.int64)
        ids, times = _short_ids(events, rows), np.maximum(events.time, NO_TIME + 1)
        texts = [_texts(events, path, rows) for path in self._segments]
        tails = [SEPARATOR.join(each) for each in zip(*texts, strict=True)] if texts else [b""] * len(rows)
        values = encode(Slim.LABEL, ids, times[rows], labels[rows], tails)
        told = sorted(bad)
        more = encode(Slim.BAD_LABEL, [b"\0" * ID_BYTES] * len(told), times[told], np.zeros(len(told)), [
            _example(records, row, *bad[row]) for row in told
        ])  # fmt: skip
        ids += [short_id(_place(records, row).encode()) for row in told]
        return [*rows.tolist(), *told], ids, values + more

    def _problem(
        self,
        row: int,
        without_id: NDArray[np.bool_],
        without_label: NDArray[np.bool_],
        fit: NDArray[np.bool_],
        labels: NDArray[np.float64],
    ) -> tuple[str, str] | None:
        if without_id[row]:
            return "no-id", f"'{self._settings.id}' is null"
        if without_label[row]:
            return "no-label", f"'{self._settings.label}' is null"
        if not fit[row]:
            return "bad-label", f"'{self._settings.label}' is {labels[row]:g}; {expected(self._task)}"
        return None


class Segments:
    """Reads the values of segments from events.

    Args:
        schema: the schema of an event.
        framing: the framing of their values.
        fields: the segments.
        id_field: the field that is the event's id, or None.

    Raises:
        Misconfigured: a field is missing, or has no text.
    """

    def __init__(self, schema: Schema, framing: Framing, fields: Sequence[str], id_field: str | None) -> None:
        require_segments(schema, fields)
        self._fields = fields
        self._decoder = Decoder(Wanted(schema, (), fields, id_field), framing, MOST_BYTES)

    def thin(self, records: Records) -> Thin:
        """Return a slim record for each event; one that cannot be decoded is a dead letter, and has no prediction."""
        events = self._decoder.decode(records)
        rows = _accepted(events)
        ids = _short_ids(events, rows)
        tails = [
            SEPARATOR.join(each) for each in zip(*(_texts(events, path, rows) for path in self._fields), strict=True)
        ]
        nothing = np.zeros(len(rows))
        return rows.tolist(), ids, encode(Slim.SEGMENTS, ids, nothing.astype(np.int64), nothing, tails)


class Thinner:
    """Makes slim records of batches of several topics.

    Args:
        readings: what reads each topic, by its name.
    """

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = readings

    def thin(self, records: Records) -> tuple[Records, Payloads]:
        """Return the records with the short ids as their keys, and the values of the slim records.

        Raises:
            Unavailable: the registry cannot provide a schema now.
        """
        keys, values = list[bytes | None]([None] * len(records)), dict[int, bytes]()
        for number, name in enumerate(records.topics):
            rows = np.flatnonzero(records.topic == number)
            some = take(records, rows)
            if some is None:
                continue
            for at, key, value in zip(*self._readings[name].thin(some), strict=True):
                row = int(rows[at])
                keys[row], values[row] = key, value
        ordered = sorted(values)
        ends = np.cumsum([len(values[row]) for row in ordered], dtype=np.int64)
        payloads = Payloads(np.array(ordered, np.int64), b"".join(values[row] for row in ordered), ends)
        return replace(records, keys=keys), payloads


def _accepted(events: Events) -> NDArray[np.int64]:
    accepted = np.ones(events.rows, np.bool_)
    accepted[[each.row for each in events.rejected]] = False
    return np.flatnonzero(accepted)


def _short_ids(events: Events, rows: NDArray[np.int64]) -> list[bytes]:
    data = events.data.tobytes()
    starts, ends = events.id_starts[rows].tolist(), events.id_ends[rows].tolist()
    return [short_id(data[start:end]) for start, end in zip(starts, ends, strict=True)]


def _texts(events: Events, path: str, rows: NDArray[np.int64]) -> list[bytes]:
    """Return a field's text of each row, empty where it is null."""
    column = events.columns[path]
    assert column.starts is not None  # noqa: S101  its text was asked for
    assert column.ends is not None  # noqa: S101  the same
    data, null = events.data.tobytes(), column.null[rows].tolist()
    spans = zip(null, column.starts[rows].tolist(), column.ends[rows].tolist(), strict=True)
    return [b"" if nothing else data[start:end].replace(SEPARATOR, b" ") for nothing, start, end in spans]


def _likeliest(data: NDArray[np.uint8], at: int) -> float:
    """Return the index of the largest number in an Avro array of doubles; NaN if it is empty."""
    scores = list[float]()
    count, at = _varint(data, at)
    while count:
        if count < 0:  # a block with its size in bytes
            count, (_, at) = -count, _varint(data, at)
        scores += struct.unpack_from(f"<{count}d", data[at : at + _DOUBLE * count].tobytes())
        count, at = _varint(data, at + _DOUBLE * count)
    return float(np.argmax(scores)) if scores else float("nan")


def _varint(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = int(data[at])
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  the bit that says that more follow
            return (value >> 1) ^ -(value & 1), at


def _example(records: Records, row: int, reason: str, detail: str) -> bytes:
    return reason.encode() + SEPARATOR + f"{_place(records, row)}: {detail}"[:EXAMPLE_CHARACTERS].encode()


def _place(records: Records, row: int) -> str:
    return f"{records.topics[records.topic[row]]}-{records.partition[row]}@{records.offset[row]}"
