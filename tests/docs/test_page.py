"""The page on the live page works: its commands are run as they stand there, on a real broker."""

import json
from pathlib import Path

import pytest
import yaml

from scorer.sandbox import Kafka
from tests.docs.pages import BLOCK, ROOT, configure, run

PAGE = (ROOT / "docs/page.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path, kafka: Kafka) -> None:
    (settings,) = (yaml.safe_load(text) for _, file, text in BLOCKS if file == "monitor.yaml")
    configure(tmp_path, "live", settings, kafka.bootstrap)
    commands = [text for language, _, text in BLOCKS if language == "sh"]
    assert len(commands) == 2
    # Its own topic: that of the page is on other pages, too.
    said = run(commands, tmp_path, 120, SCORER_MONITOR__TOPIC="live.monitor").stdout
    assert "created live.monitor" in said
    shown = json.loads((tmp_path / "group.json").read_text())
    named = {
        name for line in PAGE.splitlines() if line.startswith("| `") for name in line.split("|")[1].split("`")[1::2]
    }
    assert named <= shown.keys()
    assert shown.keys() - named == {"form", "time", "group", "model"}
