"""The page of the registry works: its files are written and its commands are run, against a real registry."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, run, unpack
from tests.registry.apicurio import Apicurio

PAGE = ROOT / "docs/schema-registry.md"


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    section = PAGE.read_text().partition("## Try it")[2].partition("## The reader's view")[0]
    commands = unpack(section, folder)
    assert len(commands) == 5
    with Apicurio(tmp_path / "apicurio") as registry:
        done = run(commands, folder, 300, jobs=True, REGISTRY_URL=registry.url)
    said = done.stdout + done.stderr
    assert "payments-value" in done.stdout
    assert "default" in done.stdout
    assert "ready to run" in said
    assert "stopped: everything written is committed" in said
