"""The page of SQL shows what its commands print."""

import sys
from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, run

PAGE = (ROOT / "docs/sql.md").read_text()


@pytest.mark.prove
def test_the_page_shows_the_output_of_its_commands(tmp_path: Path) -> None:
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    blocks = BLOCK.findall(PAGE.partition("## Try it")[2])
    for _, name, text in blocks:
        if name:
            (tmp_path / name).write_text(text)
    (command, said, program, printed, wrong, told) = [text for _, name, text in blocks if not name]
    assert run([command], tmp_path, 180).stdout == said
    (tmp_path / "look.py").write_text(program)
    assert run([f"{sys.executable} look.py"], tmp_path, 60).stdout == printed
    assert run([wrong], tmp_path, 180).stderr == told
