import io
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import fastavro
import pytest

from scorer.kafka import Admin, Reader, Record, Topic
from scorer.sandbox import Kafka
from tests.cli.stream import SCHEMA, Stream, make_stream

PARSED = fastavro.parse_schema(SCHEMA)
PAYMENTS = [
    {"id": f"p{number}", "amount": number / 4, "card": {"number": number % 3}, "made": 1_700_000_000_000 + number}
    for number in range(1000)
]


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path) -> Stream:
    stream = make_stream(tmp_path, kafka.bootstrap)
    Admin(stream.kafka).create([Topic(stream.kafka.input_topics[0], 3)])
    return stream


@pytest.fixture
def nowhere(tmp_path: Path) -> Stream:
    """A configuration without a broker, for arguments that are refused before one is needed."""
    return make_stream(tmp_path, "127.0.0.1:1")


def write(stream: Stream, payments: Sequence[object]) -> str:
    file = stream.file.with_name("payments.jsonl")
    file.write_text("".join(json.dumps(payment) + "\n" for payment in payments))
    return str(file)


def there(stream: Stream) -> list[Record]:
    with closing(Reader(stream.kafka, stream.kafka.input_topics)) as reader:
        return list(reader.read("beginning", follow=False))


def decoded(records: Sequence[Record]) -> list[dict[str, object]]:
    bodies = [io.BytesIO(record.value or b"") for record in records]
    events = [cast("dict[str, object]", fastavro.schemaless_reader(body, PARSED, None)) for body in bodies]
    return sorted(events, key=lambda event: int(str(event["id"])[1:]))


def test_every_line_becomes_an_event_with_its_key(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream.run("produce", "--input", write(stream, PAYMENTS), "--key", "id") == 0
    records = there(stream)
    events = decoded(records)
    assert [(event["id"], event["amount"], event["card"]) for event in events] == [
        (payment["id"], payment["amount"], payment["card"]) for payment in PAYMENTS
    ]
    assert sorted(record.key or b"" for record in records) == sorted(str(p["id"]).encode() for p in PAYMENTS)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"1,000 events in {stream.kafka.input_topics[0]}" in said.err


def test_a_key_may_be_a_nested_number_and_is_null_if_its_record_is(stream: Stream) -> None:
    payments = [{**PAYMENTS[1], "card": {"number": -7}}, {**PAYMENTS[2], "card": None}]
    assert stream.run("produce", "--input", write(stream, payments), "--key", "card.number") == 0
    assert {record.key for record in there(stream)} == {b"-7", None}


def test_a_container_file_can_be_the_input(stream: Stream) -> None:
    file = stream.file.with_name("payments.avro")
    with file.open("wb") as out:
        fastavro.writer(out, PARSED, PAYMENTS)
    assert stream.run("produce", "--input", str(file)) == 0
    records = there(stream)
    assert [event["id"] for event in decoded(records)] == [payment["id"] for payment in PAYMENTS]
    assert {record.key for record in records} == {None}


def test_events_are_framed_as_configured(kafka: Kafka, tmp_path: Path) -> None:
    stream = make_stream(tmp_path, kafka.bootstrap, framing="single-object")
    Admin(stream.kafka).create([Topic(stream.kafka.input_topics[0], 1)])
    assert stream.run("produce", "--input", write(stream, PAYMENTS[:3]), "--rate", "1000") == 0
    assert {(record.value or b"")[:2] for record in there(stream)} == {b"\xc3\x01"}


def test_producing_ends_at_the_first_invalid_line(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(stream, [*PAYMENTS[:5], {**PAYMENTS[5], "amount": "much"}, *PAYMENTS[6:]])
    assert stream.run("produce", "--input", file) == 2
    said = capsys.readouterr().err
    assert "payments.jsonl, line 6: amount" in said
    assert "5 events in" in said
    assert [event["id"] for event in decoded(there(stream))] == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("idd", "unknown field 'idd'; did you mean 'id'?"),
        ("card", "'card' is a record"),
        ("amount", "is of kind float"),
    ],
)
def test_a_key_that_is_not_a_scalar_field_is_wrong_usage(
    nowhere: Stream, capsys: pytest.CaptureFixture[str], key: str, told: str
) -> None:
    assert nowhere.run("produce", "--input", write(nowhere, PAYMENTS), "--key", key) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "inf", "nan"])
def test_a_rate_is_a_number_above_0(nowhere: Stream, capsys: pytest.CaptureFixture[str], rate: str) -> None:
    assert nowhere.run("produce", "--input", write(nowhere, PAYMENTS), f"--rate={rate}") == 2
    assert "is not a number of events a second" in capsys.readouterr().err


def test_a_missing_topic_exits_1(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = make_stream(tmp_path, kafka.bootstrap)
    assert stream.run("produce", "--input", write(stream, PAYMENTS)) == 1
    assert f"topic {stream.kafka.input_topics[0]} does not exist" in capsys.readouterr().err


def test_a_missing_file_is_wrong_usage(nowhere: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert nowhere.run("produce", "--input", "nowhere.jsonl") == 2
    assert "nowhere.jsonl" in capsys.readouterr().err
