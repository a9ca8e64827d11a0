"""Encodes the predictions of a batch into one buffer."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, BytesOut, Codes, Flags2, Ints, Ints2, Ints32, entry, kernel
from scorer.avro.schema.schema import Schema
from scorer.avro.types.grammar import Scalar
from scorer.avro.values.binary import pack
from scorer.avro.values.words import Words, end_to_end
from scorer.batch import NO_TIME, Explanations, Payloads, Predictions

PREDICTION_TEXT = Path(__file__).with_name("prediction.avsc").read_text()
PREDICTION = Schema.parse(PREDICTION_TEXT, "prediction.avsc")
_VARINT = 10  # bytes of the longest varint
_DOUBLE = 8
_ARRAY = 2  # the varint of branch 1
_TEXT = Scalar("string")
UNEXPLAINED = end_to_end([b"\x00"])  # the varint of branch 0, which is null
_SMALL = 7 * _VARINT + 4  # the numbers of a prediction, the ends of its arrays, its branch and its boolean


class Encoder:
    """Encodes predictions by `prediction.avsc`.

    Args:
        header: the bytes before each value.
    """

    def __init__(self, header: bytes) -> None:
        self._header = np.frombuffer(header, np.uint8)

    def encode(self, predictions: Predictions) -> Payloads:
        """Encode the predictions of a batch.

        Float32 scores are widened. The time of an event that has none is `scored_at`.
        """
        rows, origin = predictions.rows, predictions.origin
        explained = predictions.explanations
        several = predictions.scores.ndim > 1
        scores = predictions.scores if several else predictions.scores[:, np.newaxis]
        batch = _Batch(
            self._header,
            _arms(predictions.model, predictions.arms),
            encoded_texts(predictions.entities),
            encoded_texts(origin.topics),
            _encoded(explained),
            several,
            predictions.degraded,
            predictions.scored_at,
        )
        columns = _Rows(
            predictions.data,
            predictions.id_starts,
            predictions.id_ends,
            np.ascontiguousarray(scores, np.float64).view(np.int64),
            np.ascontiguousarray(predictions.missing),
            predictions.arm,
            origin.topic,
            origin.partition,
            origin.offset,
            predictions.event_time,
            explained.slots + 1 if explained else np.zeros(len(predictions.event_time), np.int32),
        )
        ordinary = _ordinary(batch, columns)
        room = ordinary * len(rows) + int((predictions.id_ends - predictions.id_starts)[rows].sum())
        out, ends = np.empty(room, np.uint8), np.empty(len(rows), np.int64)
        end = _encode(batch, columns, rows, out, ends)
        versions = tuple(version for version, _ in predictions.arms)
        return Payloads(rows, out[:end].tobytes(), ends, ordinary, versions, predictions.arm)


class _Rows(NamedTuple):
    """The columns of the predictions of a batch, with one item for each row; see `Predictions`."""

    id_data: Bytes
    id_starts: Ints
    id_ends: Ints
    scores: Ints2  # [rows, outputs]: the bits of float64
    missing: Flags2  # [rows, entities]
    arm: Codes
    topic: Ints32
    partition: Ints32
    offset: Ints
    event_time: Ints  # NO_TIME where an event has none
    explanation: Ints32  # an index of `_Batch.explanations`


class _Batch(NamedTuple):
    """The values that all predictions of a batch share."""

    header: Bytes
    arms: Words  # model, version and arm of each arm, encoded
    entities: Words  # encoded
    topics: Words  # encoded
    explanations: Words  # encoded; the first is null
    several: bool  # whether a score is an array
    degraded: bool
    scored_at: int


def _ordinary(batch: _Batch, columns: _Rows) -> int:
    """Return the most bytes that a prediction takes without the id of its event."""
    shared: int = len(batch.header) + len(batch.arms.data) + len(batch.entities.data) + len(batch.topics.data)
    scores: int = _DOUBLE * columns.scores.shape[1]
    ends = batch.explanations.ends  # mostly of one word, for which `diff` is slow
    explanation = int(ends[0] if len(ends) == 1 else np.diff(ends, prepend=0).max())
    return _SMALL + shared + scores + explanation


def _encoded(explanations: Explanations | None) -> Words:
    """Return null, and then each line of the explanations."""
    if explanations is None:
        return UNEXPLAINED
    from scorer.avro.encode.explanations import encode_explanations  # noqa: PLC0415  loads a kernel that others do without

    return encode_explanations(explanations)


@lru_cache(maxsize=64)
def encoded_texts(texts: tuple[str, ...]) -> Words:
    """Encode texts. The result is cached, since every batch has the same few."""
    return end_to_end([pack(_TEXT, text) for text in texts])


@lru_cache(maxsize=64)
def _arms(model: str, arms: tuple[tuple[str, str], ...]) -> Words:
    """Encode the model, version and arm of each arm as one piece."""
    return end_to_end([b"".join(pack(_TEXT, text) for text in (model, *arm)) for arm in arms])


@kernel
def put_long(value: int, out: BytesOut, at: int) -> int:
    """Write a varint to `out`, uint8 [bytes]; like the other `put` functions, return the position after it."""
    rest = (np.int64(value) << 1) ^ (np.int64(value) >> 63)
    while rest & ~0x7F:
        out[at] = (rest & 0x7F) | 0x80
        rest = (rest >> 7) & 0x01FF_FFFF_FFFF_FFFF
        at += 1
    out[at] = rest
    return at + 1


@kernel
def _put_bytes(source: Bytes, start: int, end: int, out: BytesOut, at: int) -> int:
    """Write a slice of `source`, uint8 [bytes]."""
    for index in range(start, end):
        out[at + index - start] = source[index]
    return at + end - start


@kernel
def put_word(words: Words, index: int, out: BytesOut, at: int) -> int:
    """Write one of several texts, as it stands."""
    return _put_bytes(words.data, words.ends[index - 1] if index > 0 else 0, words.ends[index], out, at)


@kernel
def put_double(bits: int, out: BytesOut, at: int) -> int:
    """Write a float64, given as its bits."""
    for byte in range(_DOUBLE):
        out[at + byte] = (bits >> (8 * byte)) & 0xFF
    return at + _DOUBLE


@kernel
def _put_scores(bits: Ints2, row: int, several: bool, out: BytesOut, at: int) -> int:  # noqa: FBT001  kernels take no keywords
    """Write a row's scores as a branch of the union: a double, or an array of several.

    Args:
        bits: int64 [rows, outputs], those of float64.
        row: the row.
        several: whether a score is an array.
        out: uint8 [bytes], output.
        at: the position in `out`.
    """
    out[at] = _ARRAY if several else 0
    at += 1
    if several and bits.shape[1] > 0:
        at = put_long(bits.shape[1], out, at)
    for column in range(bits.shape[1]):
        at = put_double(bits[row, column], out, at)
    if several:
        out[at] = 0
        at += 1
    return at


@kernel
def _put_missing(missing: Flags2, row: int, names: Words, out: BytesOut, at: int) -> int:
    """Write the names of the entities that are missing in a row.

    Args:
        missing: bool [rows, entities].
        row: the row.
        names: [entities], encoded.
        out: uint8 [bytes], output.
        at: the position in `out`.
    """
    count = 0
    for entity in range(missing.shape[1]):
        count += missing[row, entity]
    if count > 0:
        at = put_long(count, out, at)
        for entity in range(missing.shape[1]):
            if missing[row, entity]:
                at = put_word(names, entity, out, at)
    out[at] = 0
    return at + 1


@entry
def _encode(batch: _Batch, columns: _Rows, rows: Ints, out: BytesOut, ends: Ints) -> int:
    """Write the predictions of some rows by `prediction.avsc`, and return their total length in bytes.

    Args:
        batch: the values that they share.
        columns: the values of each row.
        rows: int64 [predictions], ascending.
        out: uint8 [bytes], output, large enough for all of them.
        ends: int64 [predictions], output: where each ends in `out`.
    """
    at = 0
    for index in range(len(rows)):
        row = rows[index]
        at = _put_bytes(batch.header, 0, len(batch.header), out, at)
        at = put_long(columns.id_ends[row] - columns.id_starts[row], out, at)
        at = _put_bytes(columns.id_data, columns.id_starts[row], columns.id_ends[row], out, at)
        at = _put_scores(columns.scores, row, batch.several, out, at)
        at = put_word(batch.arms, columns.arm[row], out, at)
        at = _put_missing(columns.missing, row, batch.entities, out, at)
        out[at] = batch.degraded
        at = put_word(batch.topics, columns.topic[row], out, at + 1)
        at = put_long(columns.partition[row], out, at)
        at = put_long(columns.offset[row], out, at)
        event_time = columns.event_time[row]
        at = put_long(batch.scored_at if event_time == NO_TIME else event_time, out, at)
        at = put_long(batch.scored_at, out, at)
        at = put_word(batch.explanations, columns.explanation[row], out, at)
        ends[index] = at
    return at
