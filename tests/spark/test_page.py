"""The page of Spark shows what its programs print."""

from contextlib import chdir
from pathlib import Path

import pytest
from confluent_kafka import Producer

from scorer.demo.flights import encode, read
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic
from tests.docs.pages import BLOCK, ROOT
from tests.spark.test_topics import of_topic

PAGE = (ROOT / "docs/spark.md").read_text()


@pytest.mark.prove
@pytest.mark.usefixtures("spark")
def test_the_page_shows_the_output_of_its_programs(
    kafka: Kafka, make_topic: MakeTopic, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    blocks = BLOCK.findall(PAGE)
    files = {name: text for _, name, text in blocks if name}
    commands = [text.split() for language, _, text in blocks if language == "sh"]
    printed = [text for language, _, text in blocks if language == "text"]
    source, scores, dead = make_topic("flights"), make_topic("scores"), make_topic("dead")
    places = {
        "localhost:9092": kafka.bootstrap,
        "redis://localhost:6379/0": redis_url,
        'subscribe="flights"': f'subscribe="{source}"',
        "output_topic: flight-delays": f"output_topic: {scores}",
        "flights.dead-letters": dead,
        '"flights.csv"': f'"{tmp_path}/flights.csv"',  # this Spark was started in another folder
        '"planes.csv"': f'"{tmp_path}/planes.csv"',
        '"checkpoint"': f'"{tmp_path}/checkpoint"',
    }
    for there, here in places.items():
        files = {name: text.replace(there, here) for name, text in files.items()}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    capsys.readouterr()
    with chdir(tmp_path):
        for (_, program), expected in zip(commands, printed, strict=True):
            exec(compile(files[program], program, "exec"), {})  # noqa: S102  our own page
            assert capsys.readouterr().out == expected
    event = encode(read().head(1))[0]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(source, event, b"1")
    producer.produce(source, event[:-1], b"2")
    assert producer.flush(30) == 0
    with chdir(tmp_path):
        exec(compile(files["topic.py"], "topic.py", "exec"), {})  # noqa: S102  our own page
    assert [each.key() for each in of_topic(kafka, scores)] == [b"1"]
    assert [each.key() for each in of_topic(kafka, dead)] == [b"2"]
