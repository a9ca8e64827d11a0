"""Records of Kafka become the predictions and dead letters of a replica, with Spark between the topics."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition

import scorer.spark
from scorer.errors import Fatal, Misconfigured
from scorer.sandbox import Kafka
from scorer.spark.parcel import Parcel, pack
from scorer.spark.topics import RecordScorer, record_problems, records_of
from tests.api.example import SCHEMA, Stream, store, write_example
from tests.conftest import MakeTopic
from tests.spark.events import EVENTS

ROOT = Path(__file__).parents[2]
PREDICTION = json.loads((ROOT / "schemas/prediction.avsc").read_text())
HEADERS: list[tuple[str, str | bytes | None]] = [("trace", b"7"), ("empty", None)]
BAD = {0: None, 3: b"\x02", 5: b"not avro"}  # values of records that are no events
MOMENT = datetime(2024, 1, 2, tzinfo=UTC)
RECORD = pa.schema(
    {
        "key": pa.binary(),
        "value": pa.binary(),
        "topic": pa.string(),
        "partition": pa.int32(),
        "offset": pa.int64(),
        "timestamp": pa.timestamp("us", "UTC"),
        "headers": pa.list_(pa.struct({"key": pa.string(), "value": pa.binary()})),
    }
)


@dataclass
class Box:
    """A broadcast variable without Spark."""

    value: Parcel


def values() -> list[bytes | None]:
    """Return the values of a topic: events, and some that are none."""
    parsed = fastavro.parse_schema(SCHEMA)
    made = list[bytes | None]()
    for event in EVENTS[:40]:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, event)
        made.append(out.getvalue())
    for at, value in BAD.items():
        made.insert(at, value)
    return made


def read(value: bytes) -> dict[str, Any]:
    """Return a prediction without what differs between two runs."""
    found = fastavro.schemaless_reader(io.BytesIO(value), fastavro.parse_schema(PREDICTION), None)
    assert isinstance(found, dict)
    return comparable(found)


def comparable(prediction: dict[str, Any]) -> dict[str, Any]:
    """Return a prediction without what differs between two runs; the event without a time has that of its record."""
    changing = {"scored_at", "source_topic"} | ({"event_time"} if prediction["event_id"] == "c" else set())
    return {name: each for name, each in prediction.items() if name not in changing}


def expected(config: Path, records: Sequence[bytes | None]) -> list[dict[str, Any] | None]:
    """Return what a replica makes of records, None for a dead letter."""
    stream, found = Stream(config), list[dict[str, Any] | None]()
    answers = iter(stream.answers(EVENTS[:40]))
    stream.close()
    for offset, _ in enumerate(records):
        answer = None if offset in BAD else next(answers)
        found.append(comparable({**answer, "source_offset": offset}) if isinstance(answer, dict) else None)
    return found


def batch(records: Sequence[bytes | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {
                "key": b"k%d" % number,
                "value": value,
                "topic": "parcels",
                "partition": 0,
                "offset": number,
                "timestamp": MOMENT,
                "headers": [{"key": key, "value": each} for key, each in HEADERS] if number % 2 else None,
            }
            for number, value in enumerate(records)
        ],
        RECORD,
    )


def with_kafka(config: Path, **kafka: object) -> Path:
    document = yaml.safe_load(config.read_text())
    document["kafka"] |= kafka
    config.write_text(yaml.safe_dump(document))
    return config


def test_records_become_predictions_and_dead_letters(tmp_path: Path, redis_url: str) -> None:
    store(redis_url)
    config, records = write_example(tmp_path, redis_url), values()
    made = RecordScorer(Box(pack(config, None, None).parcel), b"")
    (written,) = made.batches(iter([pa.concat_batches([batch(records)] * 2).slice(len(records))]))
    rows, wanted = written.to_pylist(), expected(config, records)
    assert [row["key"] for row in rows] == [b"k%d" % number for number in range(len(records))]
    assert [read(row["value"]) if row["topic"] == "scores" else None for row in rows] == wanted
    assert _time_of(rows, "c") == MOMENT
    assert {row["headers"] for row in rows if row["topic"] == "scores"} == {None}
    letters = {number: row for number, row in enumerate(rows) if row["topic"] == "dead"}
    assert letters.keys() == {number for number, each in enumerate(wanted) if each is None} > BAD.keys()
    for number, letter in letters.items():
        assert letter["value"] == records[number]
        headers = [(each["key"], each["value"]) for each in letter["headers"]]
        assert headers[:-8] == (HEADERS if number % 2 else [])
        own = {name: value for name, value in headers[-8:] if name != "scorer.time"}
        assert own.pop("scorer.detail")
        assert own == {
            "scorer.reason": b"empty" if number == 0 else own["scorer.reason"],
            "scorer.topic": b"parcels",
            "scorer.partition": b"0",
            "scorer.offset": b"%d" % number,
            "scorer.model": b"parcels",
            "scorer.version": b"1",
        }


def _time_of(rows: list[dict[str, Any]], event: str) -> object:
    """Return the time of the prediction of an event."""
    parsed = fastavro.parse_schema(PREDICTION)
    values = [row["value"] for row in rows if row["topic"] == "scores"]
    found: list[Any] = [fastavro.schemaless_reader(io.BytesIO(value), parsed, None) for value in values]
    (time_,) = [each["event_time"] for each in found if each["event_id"] == event]
    return time_


def test_records_of_a_slice_have_its_values() -> None:
    records = records_of(batch([b"a", b"bc", b"def"]).slice(1))
    assert records.data.tobytes() == b"bcdef"
    assert records.ends.tolist() == [2, 5]
    assert records.offset.tolist() == [1, 2]


def test_a_task_ends_when_most_records_are_dead_letters(tmp_path: Path, redis_url: str) -> None:
    config = with_kafka(write_example(tmp_path, redis_url), max_dead_letter_ratio=0.5, dead_letter_window=100)
    made = RecordScorer(Box(pack(config, None, None).parcel), b"")
    list(made.batches(iter([batch([b"x"] * 50)])))
    with pytest.raises(Fatal, match="51 of the last 51 records cannot be scored"):
        list(made.batches(iter([batch([b"x"] * 51)])))


def test_what_is_no_record_is_told_at_once() -> None:
    types = pa.struct([each for each in RECORD if each.name not in {"key", "value"}] + [pa.field("value", pa.string())])
    assert [str(problem) for problem in record_problems(types)] == [
        "the frame: no column 'key'; expected binary, as the source `kafka` has it",
        "the frame: column 'value' is string; expected binary, as the source `kafka` has it",
    ]


@pytest.mark.prove
def test_a_stream_of_spark_reads_and_writes_topics(
    spark: Any, kafka: Kafka, make_topic: MakeTopic, tmp_path: Path, redis_url: str
) -> None:
    store(redis_url)
    source, scores, dead = make_topic("events"), make_topic("scores"), make_topic("dead")
    config, records = write_example(tmp_path, redis_url), values()
    with_kafka(config, bootstrap_servers=kafka.bootstrap, output_topic=scores, dead_letter_topic=dead)
    _write(kafka, source, records)
    _run(spark, kafka, config, source, tmp_path)
    _write(kafka, source, records[:1])  # goes on where it was
    _run(spark, kafka, config, source, tmp_path)
    wanted = expected(config, records)
    predictions, letters = of_topic(kafka, scores), of_topic(kafka, dead)
    assert [(each.key(), read(each.value() or b"")) for each in predictions] == [
        (b"k%d" % number, each) for number, each in enumerate(wanted) if each
    ]
    bad = [number for number, each in enumerate(wanted) if each is None]
    assert [(each.key(), each.value()) for each in letters] == [
        *((b"k%d" % number, records[number]) for number in bad),
        (b"k0", records[0]),
    ]
    headers = dict(letters[2].headers() or ())  # of an odd offset
    assert headers["trace"] == b"7"
    assert headers["scorer.topic"] == source.encode()
    frame = spark.createDataFrame([(1,)], "value int")
    with pytest.raises(Misconfigured, match="no column 'offset'"):
        scorer.spark.score_topic(frame, config)


def _run(spark: Any, kafka: Kafka, config: Path, source: str, folder: Path) -> None:
    """Score what is in a topic, and wait for the end."""
    read = spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka.bootstrap)
    frame = read.options(subscribe=source, startingOffsets="earliest", includeHeaders="true").load()
    write = scorer.spark.score_topic(frame, config).writeStream.format("kafka")
    write = write.option("kafka.bootstrap.servers", kafka.bootstrap).trigger(availableNow=True)
    query = write.option("checkpointLocation", str(folder / "checkpoint")).start()
    assert query.awaitTermination(180)


def _write(kafka: Kafka, topic: str, records: Sequence[bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number, value in enumerate(records):
        producer.produce(topic, value, b"k%d" % number, headers=HEADERS if number % 2 else None)
    assert producer.flush(30) == 0


def of_topic(kafka: Kafka, topic: str) -> list[Message]:
    """Return what is in a topic of one partition."""
    consumer, found = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic}), list[Message]()
    end = consumer.get_watermark_offsets(_start(topic), 10)[1]
    consumer.assign([_start(topic)])
    until = time.monotonic() + 30
    while len(found) < end and time.monotonic() < until:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


def _start(topic: str) -> TopicPartition:
    return TopicPartition(topic, 0, 0)
