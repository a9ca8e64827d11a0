"""Encodes predictions, the whole batch into one buffer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.avro.binary import pack
from scorer.avro.framing import header
from scorer.avro.grammar import Scalar
from scorer.avro.schema import Schema
from scorer.avro.texts import end_to_end
from scorer.batch import NO_TIME, Events, Matrix, Payloads, Records, Scores

PREDICTION = Schema.load(Path(__file__).with_name("prediction.avsc"))
_VARINT = 10  # bytes of the longest
_DOUBLE = 8
_ARRAY = 2  # the varint of branch 1
_TEXT = Scalar("string")
_SMALL = 7 * _VARINT + 4  # the numbers of a prediction, the ends of its arrays, its branch and its boolean


class Encoder:
    """Encodes predictions of one version of a model, by `prediction.avsc`.

    Args:
        model: its name.
        version: its version.
        arm: its role, "champion".
        entities: the names of the entities, in the order of `Matrix.missing`.
        framing: what stands before each value, `none` or `single-object`.
    """

    def __init__(self, model: str, version: str, arm: str, entities: Sequence[str], framing: str) -> None:
        self._header = np.frombuffer(header(PREDICTION, framing), np.uint8)
        self._version, _ = end_to_end([_text(text) for text in (model, version, arm)])
        self._entities, self._entity_ends = end_to_end([_text(name) for name in entities])

    def encode(  # noqa: PLR0913, PLR0917  what a prediction is made of
        self,
        records: Records,
        events: Events,
        matrix: Matrix,
        scores: Scores,
        rows: NDArray[np.int64],
        scored_at: int,
    ) -> Payloads:
        """Encode the predictions of some rows.

        Args:
            records: the batch.
            events: as decoded.
            matrix: as assembled.
            scores: as the booster gave them; float32 is widened.
            rows: int64 [predictions], ascending.
            scored_at: milliseconds since the epoch; it stands for the time of an event that has none.
        """
        topics, topic_ends = end_to_end([_text(topic) for topic in records.topics])
        several = scores.values.ndim > 1
        classes = np.ascontiguousarray(scores.values if several else scores.values[:, np.newaxis], np.float64)
        room = _SMALL + len(self._header) + len(self._version) + len(self._entities) + len(topics)
        ordinary = room + _DOUBLE * classes.shape[1]
        room = ordinary * len(rows) + int((events.id_ends - events.id_starts)[rows].sum())
        out, ends = np.empty(room, np.uint8), np.empty(len(rows), np.int64)
        end = _encode(
            self._header,
            self._version,
            self._entities,
            self._entity_ends,
            topics,
            topic_ends,
            rows,
            events.data,
            events.id_starts,
            events.id_ends,
            classes.view(np.int64),
            several,
            np.ascontiguousarray(matrix.missing),
            matrix.degraded,
            records.topic,
            records.partition,
            records.offset,
            np.where(events.time == NO_TIME, scored_at, events.time),
            scored_at,
            out,
            ends,
        )
        return Payloads(rows, out[:end].tobytes(), ends, ordinary)


def _text(text: str) -> bytes:
    """Return a text as Avro writes it."""
    return pack(_TEXT, text)


@kernel(refcounts=False)
def _put_long(value: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a varint; returns the next position. So do all that put something."""
    rest = (np.int64(value) << 1) ^ (np.int64(value) >> 63)
    while rest & ~0x7F:
        out[at] = (rest & 0x7F) | 0x80
        rest = (rest >> 7) & 0x01FF_FFFF_FFFF_FFFF
        at += 1
    out[at] = rest
    return at + 1


@kernel(refcounts=False)
def _put_bytes(source: NDArray[np.uint8], start: int, end: int, out: NDArray[np.uint8], at: int) -> int:
    for index in range(start, end):
        out[at + index - start] = source[index]
    return at + end - start


@kernel(refcounts=False)
def _put_word(words: NDArray[np.uint8], ends: NDArray[np.int64], index: int, out: NDArray[np.uint8], at: int) -> int:
    return _put_bytes(words, ends[index - 1] if index > 0 else 0, ends[index], out, at)


@kernel(refcounts=False)
def _put_scores(bits: NDArray[np.int64], row: int, several: bool, out: NDArray[np.uint8], at: int) -> int:  # noqa: FBT001  kernels take no keywords
    """Write a row's scores, as the branch of the union that holds them."""
    out[at] = _ARRAY if several else 0
    at += 1
    if several and bits.shape[1] > 0:
        at = _put_long(bits.shape[1], out, at)
    for column in range(bits.shape[1]):
        for byte in range(_DOUBLE):
            out[at + byte] = (bits[row, column] >> (8 * byte)) & 0xFF
        at += _DOUBLE
    if several:
        out[at] = 0
        at += 1
    return at


@kernel(refcounts=False)
def _put_missing(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    missing: NDArray[np.bool_],
    row: int,
    names: NDArray[np.uint8],
    ends: NDArray[np.int64],
    out: NDArray[np.uint8],
    at: int,
) -> int:
    """Write the names of the entities that a row misses."""
    count = 0
    for entity in range(missing.shape[1]):
        count += missing[row, entity]
    if count > 0:
        at = _put_long(count, out, at)
        for entity in range(missing.shape[1]):
            if missing[row, entity]:
                at = _put_word(names, ends, entity, out, at)
    out[at] = 0
    return at + 1


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), "
    "Array(uint8, 1, 'C', readonly=True), int64[::1], Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], "
    "Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64[:, ::1], boolean, boolean[:, ::1], boolean, "
    "int32[::1], int32[::1], int64[::1], int64[::1], int64, uint8[::1], int64[::1])",
    refcounts=False,
)
def _encode(  # noqa: PLR0913, PLR0917  the same
    header: NDArray[np.uint8],
    version: NDArray[np.uint8],
    entities: NDArray[np.uint8],
    entity_ends: NDArray[np.int64],
    topics: NDArray[np.uint8],
    topic_ends: NDArray[np.int64],
    rows: NDArray[np.int64],
    data: NDArray[np.uint8],
    id_starts: NDArray[np.int64],
    id_ends: NDArray[np.int64],
    scores: NDArray[np.int64],
    several: bool,  # noqa: FBT001  kernels take no keywords
    missing: NDArray[np.bool_],
    degraded: bool,  # noqa: FBT001
    topic: NDArray[np.int32],
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    time: NDArray[np.int64],
    scored_at: int,
    out: NDArray[np.uint8],
    ends: NDArray[np.int64],
) -> int:
    at = 0
    for index in range(len(rows)):
        row = rows[index]
        at = _put_bytes(header, 0, len(header), out, at)
        at = _put_long(id_ends[row] - id_starts[row], out, at)
        at = _put_bytes(data, id_starts[row], id_ends[row], out, at)
        at = _put_scores(scores, row, several, out, at)
        at = _put_bytes(version, 0, len(version), out, at)
        at = _put_missing(missing, row, entities, entity_ends, out, at)
        out[at] = degraded
        at = _put_word(topics, topic_ends, topic[row], out, at + 1)
        at = _put_long(partition[row], out, at)
        at = _put_long(offset[row], out, at)
        at = _put_long(time[row], out, at)
        at = _put_long(scored_at, out, at)
        ends[index] = at
    return at
