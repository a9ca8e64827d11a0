"""The page of explanations shows what the commands on it print."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from scorer.settings import ExplainSettings
from tests.docs.pages import BLOCK, ROOT, run

PAGE = (ROOT / "docs/explanations.md").read_text()


@pytest.mark.prove
def test_the_page_shows_the_output_of_its_commands(tmp_path: Path) -> None:
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    section = PAGE.partition("## On a terminal")[2].partition("## How it is computed")[0]
    (_, name, configuration), *blocks = BLOCK.findall(section)
    (tmp_path / name).write_text(configuration)
    assert [language for language, _, _ in blocks] == ["sh", "text", "sh", "sh", "text"]
    for (_, _, command), (_, _, shown) in (blocks[:2], blocks[3:]):
        assert run([command], tmp_path, 180, PYTHONIOENCODING="utf-8").stdout == shown
    run([blocks[2][2]], tmp_path, 180)
    assert (tmp_path / "explained.html").read_text().count("<svg") == 6
    drawn = (tmp_path / "explained.svg").read_text()
    assert drawn.startswith("<svg")
    assert "expected_delay = -13.0529" in drawn
    documents = [json.loads(line) for line in (tmp_path / "explained.jsonl").read_text().splitlines()]
    assert len(documents) == 6
    for each in documents:
        parts = [part["contribution"] for part in each["contributions"]]
        assert abs(each["base"] + sum(parts) - each["margin"]) < 1e-9
        assert abs(1 / (1 + np.exp(-each["margin"])) - each["score"]) < 1e-6


def test_each_rule_of_the_page_is_one_that_the_settings_take() -> None:
    rules = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith(("| `always`", "| `{"))]
    taken = [str(ExplainSettings(when=yaml.safe_load(rule)).when) for rule in rules]
    assert taken == ["always", "above: 0.9", "below: 0.1", "sample: 0.01"]
