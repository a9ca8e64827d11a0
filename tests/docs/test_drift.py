"""The page on drift works: its commands are run, as they stand there, on a real broker."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from scorer.monitor import DriftMetrics
from scorer.sandbox import Kafka
from tests.docs.pages import BLOCK, ROOT, configure, run

PAGE = (ROOT / "docs/drift.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.prove  # four commands, each a process of its own
def test_every_command_of_the_page_works(tmp_path: Path, kafka: Kafka) -> None:
    (settings,) = (yaml.safe_load(text) for _, file, text in BLOCKS if file == "drift-settings.yaml")
    configure(tmp_path, "drift-page", settings, kafka.bootstrap)
    shutil.copytree(tmp_path / "models/flight-delays/1", tmp_path / "new")
    commands = [text for language, _, text in BLOCKS if language == "sh"]
    # Its own topic: that of the page is on other pages, too.
    said = run(commands, tmp_path, 180, SCORER_MONITOR__TOPIC="drift-page.monitor").stdout
    assert "created drift-page.monitor" in said
    assert "no replica has told anything yet" in said
    assert re.search(r"the baseline has [\d,]+ rows", said)
    assert re.search(r"baseline +[0-9a-f]{16}, [\d,]+ rows", said)


def test_the_page_has_all_metrics_of_drift() -> None:
    registry = CollectorRegistry()
    DriftMetrics(registry)
    documented = dict(re.findall(r"^\| `(scorer_\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert set(documented) == {each.name for each in registry.collect()}
