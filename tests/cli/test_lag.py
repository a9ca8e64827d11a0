import json
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from scorer.kafka import Feed
from scorer.sandbox import Kafka
from tests.cli.stream import Stream, make_stream


@pytest.fixture
def stream(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Stream:
    """Ten events in one partition, of which three are committed."""
    stream = make_stream(tmp_path, kafka.bootstrap)
    assert stream.run("topics", "--create", "--partitions", "2") == 0
    topic = stream.kafka.input_topics[0]
    feed = Feed(stream.kafka, topic)
    for _ in range(10):
        feed.write(b"event", b"one key")
    feed.finish()
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": stream.kafka.group_id})
    filled = next(p for p in (0, 1) if consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1])
    consumer.commit(offsets=[TopicPartition(topic, filled, 3)], asynchronous=False)
    consumer.close()
    capsys.readouterr()
    return stream


def test_json_is_one_document(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream.run("lag", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["group"], document["state"], document["total"]) == (stream.kafka.group_id, "empty", 7)
    filled, untouched = sorted(document["partitions"], key=lambda at: -int(at["end"]))
    assert (filled["committed"], filled["end"], filled["lag"]) == (3, 10, 7)
    assert (untouched["committed"], untouched["end"], untouched["lag"]) == (None, 0, 0)
    assert filled["topic"] == stream.kafka.input_topics[0]
    assert {filled["member"], filled["host"]} == {None}


def test_the_lag_table_has_a_line_per_partition_and_the_total(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream.run("lag") == 0
    header, *rows, total = capsys.readouterr().out.splitlines()
    assert header.split() == ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST"]
    assert sorted(row.split()[2:] for row in rows) == [["-", "0", "0", "-", "-"], ["3", "10", "7", "-", "-"]]
    assert total == f"group {stream.kafka.group_id} (empty), 0 members, total lag 7"


def test_a_missing_input_topic_exits_1(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = make_stream(tmp_path, kafka.bootstrap)
    assert stream.run("lag", "--json") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"missing topics: {stream.kafka.input_topics[0]}; `scorer topics --create` creates them" in captured.err
