"""Encodes predictions, the whole batch into one buffer."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.avro.binary import pack
from scorer.avro.framing import header
from scorer.avro.grammar import Scalar
from scorer.avro.schema import Schema
from scorer.avro.texts import end_to_end
from scorer.batch import NO_TIME, Payloads, Predictions

PREDICTION = Schema.load(Path(__file__).with_name("prediction.avsc"))
_VARINT = 10  # bytes of the longest
_DOUBLE = 8
_ARRAY = 2  # the varint of branch 1
_TEXT = Scalar("string")
_SMALL = 7 * _VARINT + 4  # the numbers of a prediction, the ends of its arrays, its branch and its boolean


class Encoder:
    """Encodes predictions by `prediction.avsc`.

    Args:
        framing: what stands before each value, `none` or `single-object`.
    """

    def __init__(self, framing: str) -> None:
        self._header = np.frombuffer(header(PREDICTION, framing), np.uint8)

    def encode(self, predictions: Predictions) -> Payloads:
        """Encode the predictions of a batch.

        Float32 scores are widened. `scored_at` stands for the time of an event that has none.
        """
        rows, origin = predictions.rows, predictions.origin
        arm = _words((predictions.model, predictions.version, predictions.arm))[0]
        entities, entity_ends = _words(predictions.entities)
        topics, topic_ends = _words(origin.topics)
        several = predictions.scores.ndim > 1
        scores = np.ascontiguousarray(predictions.scores if several else predictions.scores[:, np.newaxis], np.float64)
        ordinary = _SMALL + len(self._header) + len(arm) + len(entities) + len(topics) + _DOUBLE * scores.shape[1]
        room = ordinary * len(rows) + int((predictions.id_ends - predictions.id_starts)[rows].sum())
        out, ends = np.empty(room, np.uint8), np.empty(len(rows), np.int64)
        end = _encode(
            self._header,
            arm,
            entities,
            entity_ends,
            topics,
            topic_ends,
            rows,
            predictions.data,
            predictions.id_starts,
            predictions.id_ends,
            scores.view(np.int64),
            several,
            np.ascontiguousarray(predictions.missing),
            predictions.degraded,
            origin.topic,
            origin.partition,
            origin.offset,
            np.where(predictions.event_time == NO_TIME, predictions.scored_at, predictions.event_time),
            predictions.scored_at,
            out,
            ends,
        )
        return Payloads(rows, out[:end].tobytes(), ends, ordinary)


@lru_cache(maxsize=64)
def _words(texts: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return texts as Avro writes them, in one array, and where each ends; the same few in every batch."""
    return end_to_end([pack(_TEXT, text) for text in texts])


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
    arm: NDArray[np.uint8],
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
    """Write the predictions of some rows by `prediction.avsc`, and return how many bytes they took.

    Args:
        header: uint8 [bytes], stands before each.
        arm: uint8 [bytes], model, version and arm, as Avro writes them.
        entities: uint8 [bytes], the names of the entities, as Avro writes them, and
        entity_ends: int64 [entities], where each ends.
        topics: uint8 [bytes], the names of the topics, and
        topic_ends: int64 [topics], where each ends.
        rows: int64 [predictions], ascending; arrays of the batch have an item a row.
        data: uint8 [bytes], which holds the ids of the events, from
        id_starts: int64 [rows], to
        id_ends: int64 [rows].
        scores: int64 [rows, outputs], the bits of float64.
        several: whether a score is an array.
        missing: bool [rows, entities].
        degraded: of the batch.
        topic: int32 [rows], in `topics`.
        partition: int32 [rows].
        offset: int64 [rows].
        time: int64 [rows], of the event, in milliseconds.
        scored_at: milliseconds.
        out: uint8 [bytes], to be filled, with room for all.
        ends: int64 [predictions], to be filled: where each ends in `out`.
    """
    at = 0
    for index in range(len(rows)):
        row = rows[index]
        at = _put_bytes(header, 0, len(header), out, at)
        at = _put_long(id_ends[row] - id_starts[row], out, at)
        at = _put_bytes(data, id_starts[row], id_ends[row], out, at)
        at = _put_scores(scores, row, several, out, at)
        at = _put_bytes(arm, 0, len(arm), out, at)
        at = _put_missing(missing, row, entities, entity_ends, out, at)
        out[at] = degraded
        at = _put_word(topics, topic_ends, topic[row], out, at + 1)
        at = _put_long(partition[row], out, at)
        at = _put_long(offset[row], out, at)
        at = _put_long(time[row], out, at)
        at = _put_long(scored_at, out, at)
        ends[index] = at
    return at
