"""The page of Feast works: its files are written and its commands are run, with the real Feast."""

import json
from pathlib import Path

import pytest

from benchmarks.feast.environment import home
from scorer.plan import Plan
from tests.docs.pages import BLOCK, ROOT, run, unpack

PAGE = (ROOT / "docs/feast.md").read_text()


def test_the_plan_at_the_top_is_valid() -> None:
    (first, *_) = [text for language, name, text in BLOCK.findall(PAGE) if language == "yaml" and not name]
    plan = Plan.parse(first, "plan.yaml")
    assert [entity.layout for entity in plan.entities] == ["feast", "feast"]


@pytest.mark.prove  # the first time installs 450 MB
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "feast-env").symlink_to(home())
    commands = unpack(PAGE.partition("## Try it")[2], folder)
    assert len(commands) == 3
    done = run(commands, folder, 600, jobs=True)
    said = done.stdout + done.stderr
    assert "ready to run" in said
    predictions = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"event_id"')]
    assert [each["missing"] for each in predictions] == [[], ["card_at_shop"], ["card", "card_at_shop"]]
