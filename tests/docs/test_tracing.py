"""The page on traces works: its commands are run as they stand there."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import BLOCK, ROOT, run

PAGE = (ROOT / "docs/tracing.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    (settings,) = (yaml.safe_load(text) for _, file, text in BLOCKS if file == "otel.yaml")
    shutil.copytree(ROOT / "models/flight-delays/1", tmp_path / "models/flight-delays/1")
    brokers = {
        "bootstrap_servers": "localhost:9",
        "group_id": "traced",
        "input_topics": ["flights"],
        "output_topic": "delays",
        "dead_letter_topic": "dead",
    }
    document = {
        "kafka": brokers,
        "events": {"schema": str(ROOT / "schemas/flight.avsc")},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": "models/flight-delays"},
        **settings,
    }
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(document))
    commands = [text for language, _, text in BLOCKS if language == "sh"]
    assert len(commands) == 1
    done = run(commands, tmp_path, 60)
    assert "packages for OTLP" in done.stderr
    assert "otel.sample" in done.stdout
    assert "TOKEN" not in done.stdout
