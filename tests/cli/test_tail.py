import io
import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer

from scorer.kafka import Admin, Topic
from scorer.sandbox import Kafka
from tests.cli.stream import SCHEMA, Stream, make_stream

EXPLANATION = [
    {"column": "amount", "value": 2.5, "contribution": 0.61},
    {"column": "spend", "value": None, "contribution": -0.125},
]
PREDICTIONS = [
    {
        "event_id": f"p{number}",
        "score": [0.25, 0.75] if number == 1 else 0.125,
        "model": "fraud",
        "version": "3",
        "arm": "champion",
        "missing": ["card"] if number == 2 else [],
        "degraded": number == 2,
        "source_topic": "payments",
        "source_partition": 1,
        "source_offset": number,
        "event_time": 1_700_000_000_000,
        "scored_at": 1_700_000_000_500,
        "explanation": EXPLANATION if number == 1 else None,
    }
    for number in range(3)
]
PAYMENT = {"id": "p1", "amount": 2.5, "card": None, "made": 1_700_000_000_000}
Write = Callable[..., None]
PREDICTION = fastavro.schema.load_schema(str(Path(__file__).parents[2] / "schemas/prediction.avsc"))


def avro(schema: object, datum: object) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, datum)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path) -> Stream:
    stream = make_stream(tmp_path, kafka.bootstrap)
    names = [*stream.kafka.input_topics, stream.kafka.output_topic, stream.kafka.dead_letter_topic]
    Admin(stream.kafka).create([Topic(name, 1) for name in names])
    return stream


@pytest.fixture
def write(kafka: Kafka) -> Write:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})

    def values(topic: str, *values: bytes | None, **more: object) -> None:
        for value in values:
            producer.produce(topic, value, **more)  # type: ignore[arg-type]
        assert producer.flush(10) == 0

    return values


@pytest.fixture
def predicted(stream: Stream, write: Write) -> Stream:
    """A stream with three predictions."""
    write(stream.kafka.output_topic, *(avro(PREDICTION, each) for each in PREDICTIONS), key=b"k")
    return stream


def documents(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_predictions_have_the_fields_of_the_schema(predicted: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted.run("tail", "--from", "beginning", "--json") == 0
    found = documents(capsys)
    times = ("event_time", "scored_at")
    assert [{k: v for k, v in each.items() if k not in times} for each in found] == [
        {k: v for k, v in each.items() if k not in times} for each in PREDICTIONS
    ]


def test_tail_stops_after_n_records(predicted: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted.run("tail", "predictions", "-n", "2", "--from", "beginning", "--json") == 0
    assert [each["event_id"] for each in documents(capsys)] == ["p0", "p1"]


def test_each_prediction_is_printed_on_one_line(predicted: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert predicted.run("tail", "--from", "beginning") == 0
    lines = [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "p0  0.125  fraud 3 champion  payments-1@0",
        "p1  0.25, 0.75  amount +0.61, spend -0.12  fraud 3 champion  payments-1@1",
        "p2  0.125  missing card  degraded  fraud 3 champion  payments-1@2",
    ]


def test_predictions_of_shadows_are_those_of_their_topic(
    stream: Stream, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream.run("tail", "shadows", "--from", "beginning") == 2
    assert "tail shadows: predictions.shadow_topic is not set" in capsys.readouterr().err
    topic = f"{stream.kafka.output_topic}-shadow"
    Admin(stream.kafka).create([Topic(topic, 1)])
    write(stream.kafka.output_topic, avro(PREDICTION, PREDICTIONS[0]))
    write(topic, avro(PREDICTION, PREDICTIONS[2] | {"arm": "shadow"}))
    assert stream.run("tail", "shadows", "--from", "beginning", "--set", f"predictions.shadow_topic={topic}") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "p2  0.125" in line
    assert "fraud 3 shadow" in line


def test_dead_letters_show_their_reason_and_the_event_if_it_is_readable(
    stream: Stream, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"reason": b"truncated", "detail": b"it ends", "topic": b"payments", "partition": b"1", "offset": b"17"}
    headers = [("trace", b"\xff"), *((f"scorer.{name}", text) for name, text in said.items())]
    whole = avro(fastavro.parse_schema(SCHEMA), PAYMENT)
    for value in (whole[:3], None, whole):
        write(stream.kafka.dead_letter_topic, value, key=b"k", headers=headers, timestamp=1_700_000_000_000)
    assert stream.run("tail", "dead-letters", "--from", "beginning", "--json") == 0
    cut, null, readable = documents(capsys)
    for letter in (cut, null, readable):
        assert (letter["reason"], letter["detail"], letter["topic"]) == ("truncated", "it ends", "payments")
        assert (letter["partition"], letter["offset"], letter["key"]) == (1, 17, "k")
        assert (letter["headers"], letter["timestamp"]) == ([["trace", "0xff"]], "2023-11-14T22:13:20.000Z")
    assert (cut["event"], cut["value"]) == (None, whole[:3].hex())
    assert (null["event"], null["value"]) == (None, None)
    assert isinstance(readable["event"], dict)
    assert (readable["event"]["id"], readable["value"]) == ("p1", None)
    assert stream.run("tail", "dead-letters", "--from", "beginning") == 0
    for line in capsys.readouterr().out.splitlines():
        assert "truncated  it ends  payments-1@17  k" in line


def test_events_can_be_produced_again_from_the_output_of_tail(
    stream: Stream, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(stream.kafka.input_topics[0], avro(fastavro.parse_schema(SCHEMA), PAYMENT), key=b"k")
    assert stream.run("tail", "events", "--from", "beginning", "--json") == 0
    shown = capsys.readouterr().out
    file = stream.file.with_name("shown.jsonl")
    file.write_text(shown)
    assert stream.run("produce", "--input", str(file)) == 0
    assert stream.run("tail", "events", "--from", "beginning", "--json") == 0
    assert capsys.readouterr().out == shown + shown


def test_an_unreadable_record_is_shown_as_such_and_does_not_stop_tail(
    stream: Stream, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = avro(fastavro.parse_schema(SCHEMA), PAYMENT)
    write(stream.kafka.input_topics[0], b"\xff" * 100, None, whole + b"left", whole)
    assert stream.run("tail", "events", "--from", "beginning", "--json") == 0
    found = documents(capsys)
    assert ["unreadable" in each for each in found] == [True, True, True, False]
    assert [each["value"] for each in found[:3]] == ["ff" * 100, None, (whole + b"left").hex()]
    assert [each["offset"] for each in found[:3]] == [0, 1, 2]
    assert stream.run("tail", "events", "--from", "beginning") == 0
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert all("unreadable: " in line for line in (first, second, third))
    assert first.endswith("ff ff ... (100 bytes)")
    assert '"id": "p1"' in fourth


def test_tail_follows_new_records_until_ctrl_c(predicted: Stream, write: Write) -> None:
    command = [sys.executable, "-m", "scorer", "tail", "-c", str(predicted.file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        value = avro(PREDICTION, {**PREDICTIONS[0], "event_id": "new"})
        line = ""
        while not line:  # it may not have begun: from the end means from when it began
            write(predicted.kafka.output_topic, value)
            line = _read(process)
        assert json.loads(line)["event_id"] == "new"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")


def test_an_unknown_kind_of_records_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_stream(tmp_path, "127.0.0.1:1").run("tail", "prediction") == 2
    assert "dead-letters" in capsys.readouterr().err


def _read(process: "subprocess.Popen[str]") -> str:
    """Return the next line; empty if none comes within a moment."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 0.5)
    return process.stdout.readline() if ready else ""
