"""Scores the records that Spark's Kafka source reads, and returns records for its Kafka sink."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorer.api.source import Named
from scorer.avro import SCHEMA_HEADER, Encoder
from scorer.batch import NO_TIME, Outcome, Payloads, Records
from scorer.errors import Misconfigured, Problem
from scorer.kafka import DeadLetterLimit, DeadLetters, header_reader
from scorer.registry import Registry
from scorer.serving.formats import Formats
from scorer.settings import Settings
from scorer.spark.parcel import Box, Opened, missing_features, opened, pack
from scorer.spark.types import arrow_type, spark_type
from scorer.tables.files import slices

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Headers = Sequence[tuple[str, bytes | None]]
_HEADERS = pa.list_(pa.struct({"key": pa.string(), "value": pa.binary()}))
_RECORD = {
    "key": pa.binary(),
    "value": pa.binary(),
    "topic": pa.string(),
    "partition": pa.int32(),
    "offset": pa.int64(),
    "timestamp": pa.timestamp("us", "UTC"),
}
_WRITTEN = pa.schema({"topic": pa.string(), "key": pa.binary(), "value": pa.binary(), "headers": _HEADERS})


def score_topic(frame: "DataFrame", source: Named | Settings) -> "DataFrame":
    """Return a record to write for each record of a DataFrame: its prediction, or its dead letter.

    The value of a prediction is what a replica publishes for that event: `prediction.avsc` in the framing of the
    configuration, with the event's key. A dead letter has the event's key, value and headers, and headers with the
    reason. Each record has the `topic` that it goes to, from the configuration.

    Args:
        frame: what Spark's source `kafka` gives, of a stream or not; with `headers` if that was asked for.
        source: the configuration, with the group `kafka`; see `scorer.load`.

    Raises:
        Misconfigured: with every problem of the configuration, the model, its plan and the schema, or else of the
            columns.
        RegistryUnavailable: the schema registry does not answer.
        Fatal: raised in a task, if too many of its records become dead letters.
    """
    packed = pack(source, None, None)
    settings, serving = packed.serving.settings, packed.serving
    types = arrow_type(json.loads(frame.schema.json()))
    problems = record_problems(types) + missing_features(serving, (), stored=packed.parcel.stored)
    if settings.stream is None:
        what = "the configuration has no group of this name"
        problems.append(Problem("kafka", what, "give a configuration with the topics to write to"))
    if problems:
        raise Misconfigured(problems)
    header = serving.servings[0].formats.prediction_header()
    box = frame.sparkSession.sparkContext.broadcast(packed.parcel)
    columns = ", ".join(f"{each.name} {spark_type(each.type)}" for each in _WRITTEN)
    return frame.mapInArrow(RecordScorer(box, header).batches, columns)


def record_problems(types: pa.StructType) -> list[Problem]:
    """Return everything that keeps rows of a type from being records of Kafka."""
    found, problems = {each.name: each.type for each in types}, list[Problem]()
    for name, kind in (_RECORD | ({"headers": _HEADERS} if "headers" in found else {})).items():
        expected = f"expected {kind}, as the source `kafka` has it"
        if name not in found:
            problems.append(Problem("the frame", f"no column '{name}'", expected))
        elif found[name] != kind:
            problems.append(Problem("the frame", f"column '{name}' is {found[name]}", expected))
    return problems


class _Original(NamedTuple):
    """The parts of a record that dead letters and framings need."""

    headers: Headers = ()


_BARE = _Original()


@dataclass(frozen=True, slots=True)
class RecordScorer:
    """Scores records in a process of an executor.

    box:    the model.
    header: the bytes before each prediction.
    """

    box: Box
    header: bytes

    def batches(self, found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the records to write for each batch of a partition; one is in memory at a time.

        Raises:
            Fatal: too many are dead letters.
        """
        model = opened(self.box)
        kafka, framing = model.serving.settings.kafka, _formats(model).framing(header_reader(SCHEMA_HEADER))
        decoder, encoder = model.serving.decoder(framing), Encoder(self.header)
        limit = DeadLetterLimit(kafka.max_dead_letter_ratio, kafka.dead_letter_window)
        letters = DeadLetters(kafka.dead_letter_topic, model.serving.model, model.serving.version)
        for batch in found:
            for part in slices(batch):
                records = records_of(part)
                outcome = model.scorer.score(decoder.decode(records), time())
                limit.check(records, outcome.rejected)
                predictions = _predictions(encoder.encode(outcome.predictions), part, kafka.output_topic)
                yield _with_letters(predictions, part, _letters(letters, records, outcome), kafka.dead_letter_topic)


def _formats(model: Opened) -> Formats:
    parcel, settings = model.parcel, model.serving.settings
    registry = Registry(settings.registry) if settings.registry else None
    return Formats(settings, parcel.schema, registry, parcel.reader)


def records_of(batch: pa.RecordBatch) -> Records:
    """Return rows of the source `kafka` as records, without their keys."""
    rows, values = batch.num_rows, batch["value"].fill_null(b"").cast(pa.large_binary())
    _, offsets, data = values.buffers()
    edges = np.frombuffer(offsets, np.int64, rows + 1, values.offset * 8)
    topics = batch["topic"].dictionary_encode()
    times = batch["timestamp"].cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).fill_null(NO_TIME)
    headers = batch["headers"].to_pylist() if "headers" in batch.schema.names else [None] * rows
    return Records(
        topics=tuple(topics.dictionary.to_pylist()),
        topic=np.array(topics.indices, np.int32),
        partition=np.array(batch["partition"], np.int32),  # a copy: kernels take no array that is read-only
        offset=np.array(batch["offset"], np.int64),
        timestamp=np.array(times, np.int64),
        keys=[None] * rows,
        data=np.frombuffer(data or b"", np.uint8)[edges[0] : edges[-1]],
        ends=edges[1:] - edges[0],
        originals=[_Original(tuple((each["key"], each["value"]) for each in row)) if row else _BARE for row in headers],
    )


def _predictions(payloads: Payloads, batch: pa.RecordBatch, topic: str) -> pa.RecordBatch:
    """Return the predictions of a batch as records; the value of a row without one is empty."""
    rows, lengths = batch.num_rows, np.zeros(batch.num_rows, np.int64)
    lengths[payloads.rows] = np.diff(payloads.ends, prepend=0)
    edges = np.concatenate([[0], np.cumsum(lengths)])
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(payloads.data)]
    values = pa.Array.from_buffers(pa.large_binary(), rows, buffers).cast(pa.binary())
    topics = pa.repeat(pa.scalar(topic), rows)
    return pa.RecordBatch.from_arrays([topics, batch["key"], values, pa.nulls(rows, _HEADERS)], schema=_WRITTEN)


def _letters(letters: DeadLetters, records: Records, outcome: Outcome) -> dict[int, Headers]:
    """Return the headers of each dead letter, by its row."""
    originals = cast("Sequence[_Original]", records.originals)
    return {each.row: [*originals[each.row].headers, *letters.own_headers(records, each)] for each in outcome.rejected}


def _with_letters(
    written: pa.RecordBatch, batch: pa.RecordBatch, letters: Mapping[int, Headers], topic: str
) -> pa.RecordBatch:
    """Return records with dead letters in the rows that have one."""
    if not letters:
        return written
    bad = np.zeros(batch.num_rows, np.bool_)
    bad[list(letters)] = True
    mask = pa.array(bad)
    headers = [
        None if row not in letters else [{"key": key, "value": value} for key, value in letters[row]]
        for row in range(batch.num_rows)
    ]
    topics, values = pc.if_else(mask, topic, written["topic"]), pc.if_else(mask, batch["value"], written["value"])
    return pa.RecordBatch.from_arrays([topics, written["key"], values, pa.array(headers, _HEADERS)], schema=_WRITTEN)
