from pathlib import Path

import pytest

from scorer.kafka import Admin, Topic
from scorer.sandbox import Kafka
from tests.cli.stream import Stream, make_stream


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path) -> Stream:
    return make_stream(tmp_path, kafka.bootstrap)


def names(stream: Stream) -> tuple[str, str, str]:
    return stream.kafka.input_topics[0], stream.kafka.output_topic, stream.kafka.dead_letter_topic


def test_missing_topics_are_named_and_exit_1(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream.run("topics") == 1
    said = capsys.readouterr().out
    assert f"missing: {', '.join(names(stream))}; `scorer topics --create` creates them" in said


def test_create_creates_only_the_missing_topics(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    events, predictions, dead_letters = names(stream)
    admin = Admin(stream.kafka)
    admin.create([Topic(events, 2, config={"max.message.bytes": "200000000"})])
    assert stream.run("topics", "--create") == 0
    said = capsys.readouterr().out
    assert f"created {predictions}\n" in said
    assert f"created {dead_letters}\n" in said
    assert f"created {events}" not in said
    found = admin.topics(names(stream))
    assert [topic.partitions for topic in found.values()] == [2, 4, 4]
    assert found[dead_letters].config["retention.ms"] == "-1"
    assert int(found[dead_letters].config["max.message.bytes"]) > 200_000_000

    assert stream.run("topics", "--create") == 0
    said = capsys.readouterr().out
    assert "created" not in said
    assert "warning" not in said


def test_topics_have_the_requested_number_of_partitions(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream.run("topics", "--create", "--partitions", "7") == 0
    assert {topic.partitions for topic in Admin(stream.kafka).topics(names(stream)).values()} == {7}
    assert stream.run("topics", "--create", "--partitions", "9") == 0
    assert f"fewer partitions than 9: {', '.join(f'{name} (7)' for name in names(stream))};" in capsys.readouterr().out


def test_the_list_shows_the_purpose_of_each_topic(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    stream.run("topics", "--create")
    capsys.readouterr()
    assert stream.run("topics") == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["TOPIC", "FOR", "PARTITIONS", "REPLICAS", "KEPT", "LARGEST", "MESSAGE"]
    events, predictions, dead_letters = names(stream)
    assert [" ".join(row.split()) for row in rows] == [
        f"{events} events 4 1 7 days 1.0 MB",
        f"{predictions} predictions 4 1 7 days 1.0 MB",
        f"{dead_letters} dead letters 4 1 for ever 104.9 MB",
    ]


def test_a_dead_letter_topic_with_unsafe_limits_causes_a_warning(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    events, predictions, dead_letters = names(stream)
    Admin(stream.kafka).create([Topic(events, 1), Topic(predictions, 1), Topic(dead_letters, 1)])
    assert stream.run("topics", "--create") == 0
    said = capsys.readouterr().out
    assert f"warning: {dead_letters}: retention.ms=604800000 may delete a dead letter at once" in said
    assert "max.message.bytes=1048588 is too small" in said


def test_an_unusable_number_of_partitions_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_stream(tmp_path, "127.0.0.1:1").run("topics", "--partitions", "0") == 2
    assert "'0' is not a whole number above 0" in capsys.readouterr().err


def test_brokers_that_do_not_answer_exit_1_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Admin.__init__, "__defaults__", (0.5,))
    assert make_stream(tmp_path, "127.0.0.1:1").run("topics") == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:1 does not answer" in said
    assert "Traceback" not in said
