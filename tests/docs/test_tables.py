"""The page of tables shows what its commands print."""

import sys
from pathlib import Path

from tests.docs.pages import BLOCK, ROOT, run

PAGE = (ROOT / "docs/tables.md").read_text()


def test_the_page_shows_the_output_of_its_commands(tmp_path: Path, redis_url: str) -> None:
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    section = PAGE.partition("## Try it")[2].partition("## Columns")[0]
    settings, events, command, said, program, printed = BLOCK.findall(section)
    for _, name, text in (settings, events):
        (tmp_path / name).write_text(text)
    assert run([command[2]], tmp_path, 180, SCORER_FEATURES__URL=redis_url).stderr.endswith(said[2])
    (tmp_path / "look.py").write_text(program[2])
    assert run([f"{sys.executable} look.py"], tmp_path, 60).stdout == printed[2]
