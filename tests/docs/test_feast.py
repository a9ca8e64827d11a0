"""The page of Feast works: its files are written and its commands are run, with the real Feast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.feast.environment import home
from scorer.plan import Plan
from tests.docs.pages import ROOT
from tests.docs.test_tutorial import BLOCK

PAGE = (ROOT / "docs/feast.md").read_text()


def test_the_plan_at_the_top_is_a_plan() -> None:
    (first, *_) = [text for language, name, text in BLOCK.findall(PAGE) if language == "yaml" and not name]
    plan = Plan.parse(first, "plan.yaml")
    assert [entity.layout for entity in plan.entities] == ["feast", "feast"]


@pytest.mark.prove  # the first time installs 450 MB
def test_every_command_of_the_page(tmp_path: Path) -> None:
    folder, commands = tmp_path / "work", []
    folder.mkdir()
    (folder / "feast-env").symlink_to(home())
    for language, name, text in BLOCK.findall(PAGE.partition("## Try it")[2]):
        if name:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        else:
            assert language == "sh", f"a block of {language} is neither a file nor a command"
            commands.append(text)
    assert len(commands) == 3
    run = subprocess.run(
        ["/bin/bash", "-m", "-e", "-c", "\n".join(commands)],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    assert "ready to run" in said
    predictions = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"event_id"')]
    assert [each["missing"] for each in predictions] == [[], ["card_at_shop"], ["card", "card_at_shop"]]
