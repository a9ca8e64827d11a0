"""`scorer backfill` on a real broker: each event of the range once, whatever happens to the processes."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from scorer.avro import PREDICTION, Converter, Schema
from scorer.cli import main
from scorer.kafka import Reader, fix_span
from scorer.sandbox.kafka import Kafka
from scorer.settings import load
from tests.conftest import MakeTopic
from tests.files.example import add_version, write_config
from tests.forks import Command
from tests.kafka.ends import ends, wait_for_leaders

PARTITIONS = 3
START = 1_700_000_000_000  # the time of the first event; one follows each second
PATIENCE_SECONDS = 120.0
DECODER = Converter(PREDICTION)


class Stream:
    """Topics with events of known times, and a configuration."""

    def __init__(self, folder: Path, bootstrap: str, make_topic: MakeTopic) -> None:
        self.folder, self.bootstrap = folder, bootstrap
        self.config = write_config(folder)
        self.input, self.live = make_topic("events", PARTITIONS), make_topic("scores", PARTITIONS)
        self.output = f"again-{self.input}"
        document = yaml.safe_load(self.config.read_text())
        topics = {"input_topics": [self.input], "output_topic": self.live, "dead_letter_topic": make_topic("dead")}
        fast = {"session.timeout.ms": "6000", "transaction.timeout.ms": "5000"}  # a killed member is missed soon
        kafka = {"bootstrap_servers": bootstrap, "group_id": f"live-{self.input}", "properties": fast}
        document["kafka"] = kafka | topics
        document["events"]["framing"], document["predictions"] = "none", {"framing": "none"}
        self.config.write_text(yaml.safe_dump(document | {"http": None}))
        self.settings = load(self.config).settings

    def produce(self, events: int, bad: int | None = None, first: int = 0) -> None:
        schema = Schema.load(self.folder / "event.avsc")
        converter = Converter(schema)
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 50})
        for at in range(first, first + events):
            value = converter.to_avro({"id": f"e{at}", "amount": at % 30 / 3, "items": at % 3}, "event")
            moment = START + at * 1000
            producer.produce(
                self.input, value[:-3] if at == bad else value, partition=at % PARTITIONS, timestamp=moment
            )
            producer.poll(0)
        assert producer.flush(30) == 0

    def words(self, since: int, until: int, *more: str) -> list[str]:
        """Return the words of the command, for events from one number to another."""
        times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START // 1000 + at)) for at in (since, until)]
        words = ["backfill", "-c", str(self.config), "--from", times[0], "--to", times[1]]
        return [*words, "--output-topic", self.output, *more]

    def written(self) -> list[dict[str, Any]]:
        """Return the committed predictions of the backfill."""
        with closing(Reader(self.settings.kafka, [self.output])) as reader:
            records = [record.value or b"" for record in reader.read("beginning", follow=False)]
        return [dict(DECODER.to_json(value)) for value in records]

    def group(self) -> dict[int, int]:
        """Return the committed offsets of the live group."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.settings.kafka.group_id})
        with closing(consumer):
            asked = [TopicPartition(self.input, number) for number in range(PARTITIONS)]
            return {each.partition: each.offset for each in consumer.committed(asked, timeout=30)}

    def commit_live(self, offset: int) -> None:
        """Commit an offset as the live group."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.settings.kafka.group_id})
        with closing(consumer):
            consumer.commit(
                offsets=[TopicPartition(self.input, each, offset) for each in range(PARTITIONS)], asynchronous=False
            )


@pytest.fixture
def stream(tmp_path: Path, kafka: Kafka, make_topic: MakeTopic) -> Stream:
    return Stream(tmp_path, kafka.bootstrap, make_topic)


def numbers(rows: list[dict[str, Any]]) -> Counter[int]:
    return Counter(int(row["event_id"].removeprefix("e")) for row in rows)


def test_a_range_is_scored_once_beside_the_live_group(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    stream.produce(600, bad=250)
    stream.commit_live(17)
    for scored, bad in ((199, 1), (0, 0)):  # the second time there is nothing left to do
        assert main([*stream.words(200, 400), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["scored"], said["dead_letters"], said["complete"], said["version"]) == (scored, bad, True, "1")
        assert numbers(stream.written()) == Counter(set(range(200, 400)) - {250})
    assert stream.group() == dict.fromkeys(range(PARTITIONS), 17), "the live group is as it was"


@pytest.mark.prove
def test_scores_are_compared_with_those_that_were_published(
    stream: Stream, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stream.produce(600, bad=250)
    assert main([*stream.words(150, 380), "--json"]) == 0
    document = yaml.safe_load(stream.config.read_text())
    document["kafka"]["output_topic"] = stream.output  # as if the live group had published these
    stream.config.write_text(yaml.safe_dump(document))
    add_version(tmp_path, "2", 3)
    stream.output, picture = f"second-{stream.input}", tmp_path / "shift.svg"
    words = stream.words(200, 400, "--version", "2", "--compare", "--output", str(picture))
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    counts = [scores[name] for name in ("events", "compared", "only_published", "only_backfilled")]
    assert counts == [199, 179, 0, 20]
    (segment,) = scores["segments"]
    assert (segment["version"], segment["arm"], segment["events"]) == ("1", "champion", 179)
    assert segment["largest_difference"] == pytest.approx(scores["largest"][0]["difference"])
    assert 0 < segment["mean_absolute_difference"] < segment["largest_difference"]
    assert picture.read_text().startswith("<svg")
    assert main([*words, "--json", "--by", "items"]) == 0
    segments = json.loads(capsys.readouterr().out)["scores"]["segments"]
    assert {each["items"]: each["events"] for each in segments} == {"0": 60, "1": 59, "2": 60}
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "by what was published" in said
    assert "20 of 199 events were scored again only" in said


@pytest.mark.prove
def test_a_killed_backfill_goes_on_without_losing_or_repeating_events(stream: Stream) -> None:
    stream.produce(12_000)  # which a busy machine does not score before it is killed
    words = stream.words(100, 12_100, "--set", "batch.max_records=20")  # to the ends of the partitions
    command = Command(words, stream.folder / "log", os.environ)
    until(lambda: topic_has(stream, 100), command, stream.folder / "log")
    command.kill()
    command.wait(PATIENCE_SECONDS)
    assert len(stream.written()) < 11_900, "it was killed too late to show anything"
    stream.produce(50, first=2_850)  # late events, whose times are in the range
    assert main(words) == 0
    assert numbers(stream.written()) == Counter(range(100, 12_000))


@pytest.mark.prove
def test_processes_share_a_range_and_all_end(stream: Stream) -> None:
    stream.produce(3_000)
    words = stream.words(0, 3_000, "--set", "batch.max_records=20")
    commands = [Command(words, stream.folder / f"log{number}", os.environ) for number in range(3)]
    until(lambda: topic_has(stream, 200), commands[0], stream.folder / "log0")
    commands[1].kill()
    assert [command.wait(PATIENCE_SECONDS) for command in (commands[0], commands[2])] == [0, 0]
    assert numbers(stream.written()) == Counter(range(3_000))


def topic_has(stream: Stream, records: int) -> bool:
    """Whether the output topic has so many offsets."""
    admin = AdminClient({"bootstrap.servers": stream.bootstrap, "log_level": 2})
    if stream.output not in admin.list_topics(timeout=30).topics:
        return False
    wait_for_leaders(stream.bootstrap, stream.output, PARTITIONS)
    return sum(ends(admin, stream.output, PARTITIONS, committed=False).values()) >= records


def until(holds: Callable[[], bool], command: Command, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert command.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def test_a_range_may_begin_before_all_time(stream: Stream) -> None:
    """Brokers take a time of -1 for the end of a partition, and refuse others that are negative."""
    stream.produce(30)
    for since in (-1, -62_135_596_800_000):  # the second is that of the year 1
        kafka = stream.settings.kafka.model_copy(update={"group_id": f"before{since}-{stream.input}"})
        span = fix_span(kafka, since, START + 20_000, "1")
        assert list(span.starts.values()) == [0, 0, 0]
        assert list(span.ends.values()) == [7, 7, 6]


def test_no_topic_of_the_configuration_is_written(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load(stream.config.read_text())
    document["predictions"]["shadow_topic"] = "shadows"
    document["monitor"] = {"topic": "told", "capture": {"topic": "captured"}}
    labels = {"schema": "event.avsc", "id": "id", "label": "amount"}
    document["labels"] = labels | {"topic": "labels", "state_topic": "joined"}
    stream.config.write_text(yaml.safe_dump(document))
    topics = ["shadows", "told", "captured", "labels", "joined", stream.input, stream.live]
    for topic in topics:
        stream.output = topic
        assert main(stream.words(0, 20)) == 2
        assert f"--output-topic: {topic} is a topic of the configuration" in capsys.readouterr().err


def test_no_topic_is_created_for_a_version_that_cannot_score(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(stream.words(0, 20, "--version", "17")) == 2
    assert "--version: no version '17'" in capsys.readouterr().err
    (stream.folder / "models/fraud/1/plan.yaml").write_text("columns: []")
    assert main(stream.words(0, 20)) == 2
    assert stream.output not in AdminClient({"bootstrap.servers": stream.bootstrap}).list_topics(timeout=30).topics


def test_wrong_jobs_are_refused_together(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backfill", "-c", str(stream.config), "--from", "2100-01-02", "--to", "2100-01-01"]
    assert main([*words, "--output-topic", stream.live, "--dead-letter-topic", stream.live]) == 2
    said = capsys.readouterr().err
    assert "--to: is not after --from" in said
    assert "--to: is in the future" in said
    assert f"--output-topic: {stream.live} is a topic of the configuration" in said
    assert "--dead-letter-topic: is the same as --output-topic" in said
    assert main([*words[:-1], "tomorrow", "--output-topic", "x"]) == 2
    assert "'tomorrow' is not a time of ISO 8601" in capsys.readouterr().err
    assert main([*words, "--output-topic", "x", "--by", "amount", "--output", "x.svg"]) == 2
    assert "--by: nothing is compared" in (said := capsys.readouterr().err)
    assert "--output: nothing is compared" in said
    assert main([*words, "--output-topic", "x", "--compare", "--by", "amuont"]) == 2
    assert "--by: " in capsys.readouterr().err
