"""The tutorial works: its files are written and its commands are run, as they stand on the page."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, run, unpack

PAGE = ROOT / "docs/tutorial.md"


@pytest.mark.prove
def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    commands = unpack(PAGE.read_text(), tmp_path)
    assert len(commands) > 8
    done = run(commands, tmp_path, 180, jobs=True)
    said = done.stdout + done.stderr
    offline = [line for line in done.stdout.splitlines() if '"event_id"' in line]
    assert len(offline) == 3
    assert "truncated" in said
    assert "stopped: everything written is committed" in said
    assert not (tmp_path / "sandbox.env").exists(), "the sandbox outlived its shell"
