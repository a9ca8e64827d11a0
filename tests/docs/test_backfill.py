"""The command of the page of backfills works, with the topics of a broker."""

from pathlib import Path

import pytest

from scorer.sandbox.kafka import Kafka
from tests.backfill.test_backfill import Stream, numbers
from tests.conftest import MakeTopic
from tests.docs.pages import BLOCK, ROOT, run
from tests.files.example import add_version

PAGE = (ROOT / "docs/backfill.md").read_text()


@pytest.mark.prove
def test_the_command_of_the_page_works(tmp_path: Path, kafka: Kafka, make_topic: MakeTopic) -> None:
    stream = Stream(tmp_path, kafka.bootstrap, make_topic)
    add_version(tmp_path, "2", 3)
    stream.produce(30)
    stream.output = "flight-delays.again"
    ((_, _, command),) = BLOCK.findall(PAGE)
    command = command.replace("2026-11-01", "2023-11-01").replace("2026-11-08", "2023-12-01")  # when the events are
    done = run([command], tmp_path, 180)
    assert "30 scored, 0 dead letters (version 2); the range of 30 offsets of 3 partitions is complete" in done.stdout
    assert "have no event that both versions scored" in done.stdout, "nothing was published"
    assert (tmp_path / "shift.html").read_text().startswith("<!doctype html>")
    assert sorted(numbers(stream.written())) == list(range(30))
