"""The page of model formats works: its commands are run, and print what stands there."""

from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, run

PAGE = ROOT / "docs/model-formats.md"


@pytest.mark.prove
def test_the_page_shows_the_output_of_its_commands(tmp_path: Path) -> None:
    printed = ""
    for language, file, block in BLOCK.findall(PAGE.read_text().partition("## Try it")[2]):
        if file:
            (tmp_path / file).write_text(block)
        elif language == "sh":
            assert not printed, f"the page does not show {printed}"
            printed = run([block], tmp_path, 180).stdout
        else:
            assert (language, block) == ("text", printed)
            printed = ""
    assert not printed
