"""The pages on labels and training sets work: their commands are run, as they stand there, on a real broker."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from confluent_kafka import Producer

from scorer.avro import Captured
from scorer.sandbox import Kafka
from tests.docs.pages import BLOCK, ROOT, run, unpack

PAGE, TRAINING = ((ROOT / f"docs/{name}.md").read_text() for name in ("labels", "training-set"))


def configure(folder: Path, kafka: Kafka, name: str, *files: str) -> None:
    """Write a configuration with the settings of some files."""
    (folder / "models").symlink_to(ROOT / "models")
    document = {
        "kafka": {
            "bootstrap_servers": kafka.bootstrap,
            "group_id": name,
            "input_topics": [f"{name}.flights"],
            "output_topic": f"{name}.delays",
            "dead_letter_topic": f"{name}.dead",
        },
        "events": {"schema": str(ROOT / "schemas/flight.avsc"), "id": "flight_id"},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": "models/flight-delays"},
    }
    for file in files:
        for group, settings in yaml.safe_load((folder / file).read_text()).items():
            document[group] = document.get(group, {}) | settings
    (folder / "scorer.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.prove  # half a dozen commands, each a process of its own
def test_every_command_of_the_page_works(tmp_path: Path, kafka: Kafka) -> None:
    commands = unpack(PAGE, tmp_path)
    configure(tmp_path, kafka, "labels-page", "labels-settings.yaml")
    assert len(commands) == len([language for language, *_ in BLOCK.findall(PAGE) if language == "sh"]) >= 4
    waiting = "until scorer labels report --json | grep -q '\"without_prediction\": *2'; do sleep 0.2; done"
    done = run([*commands, waiting, "scorer labels report"], tmp_path, 120, jobs=True)
    assert "created labels-page.labels-state" in done.stdout
    assert "2 labels in flight-arrivals" in done.stderr
    assert "2 labels have no prediction" in done.stdout


@pytest.mark.prove  # for the same reason
def test_every_command_of_the_page_on_training_sets_works(tmp_path: Path, kafka: Kafka) -> None:
    unpack(PAGE, tmp_path)
    create, make = unpack(TRAINING, tmp_path)
    configure(tmp_path, kafka, "training-page", "labels-settings.yaml", "capture-settings.yaml")
    assert "created flight-delays.capture" in run([create], tmp_path, 60).stdout
    names = ["UA1545-2013-01-01-EWR", "B6725-2013-01-01-JFK", "AA1-2013-01-01-JFK"]
    captured = Captured(
        ids=[name.encode() for name in names],
        scores=np.array([0.25, 0.75, 0.5], np.float32),
        model="flight-delays",
        arms=[("1", "champion")] * 3,
        columns=("distance", "seats"),
        values=np.array([[100, 200], [300, np.nan], [500, 100]], np.float32),
        sample=0.05,
        places=[("training-page.flights", 0, offset) for offset in range(3)],
        event_time=np.zeros(3, np.int64),
        scored_at=int(datetime(2026, 11, 15, tzinfo=UTC).timestamp() * 1000),
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for name, value in zip(names, captured.encoded(), strict=True):
        producer.produce("flight-delays.capture", value, name)
    assert producer.flush(30) == 0
    done = run(["scorer labels load --input arrivals.jsonl", make, "python train.py"], tmp_path, 120)
    assert "2 rows in train.parquet; 1 more have no label" in done.stderr
    assert (tmp_path / "model.ubj").exists()
