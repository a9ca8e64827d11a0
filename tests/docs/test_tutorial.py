"""The tutorial works: its files are written and its commands are run, as they stand on the page."""

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT, run, unpack

PAGE = ROOT / "docs/tutorial.md"


@pytest.mark.prove
def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    before, shown, after = re.split(r"^```text\n(.*?)^```\n", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    commands = unpack(before + after, tmp_path)
    assert len(commands) > 8
    done = run(commands, tmp_path, 180, jobs=True)
    said = done.stdout + done.stderr
    assert shown.endswith("5 of 5 columns placed, 0 open\n")
    assert shown in done.stderr
    plan, drafted = (yaml.safe_load((tmp_path / folder / "plan.yaml").read_text()) for folder in (".", "draft"))
    assert plan == drafted
    offline = [line for line in done.stdout.splitlines() if '"event_id"' in line]
    assert len(offline) == 3
    assert "truncated" in said
    assert "stopped: everything written is committed" in said
    assert not (tmp_path / "sandbox.env").exists(), "the sandbox outlived its shell"
