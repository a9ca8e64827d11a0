"""The page of tables shows what its commands print."""

import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.docs.pages import BLOCK, ROOT, run

PAGE = (ROOT / "docs/tables.md").read_text()


@pytest.mark.prove
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
    more = PAGE.partition("## Folders")[2].partition("## Dead letters")[0]
    commands, summaries = BLOCK.findall(more)
    done = run([commands[2]], tmp_path, 180, SCORER_FEATURES__URL=redis_url)
    assert [line for line in done.stderr.splitlines() if " files scored" in line] == summaries[2].splitlines()
    letters = PAGE.partition("## Dead letters")[2].partition("## ")[0]
    assert done.stdout == BLOCK.findall(letters)[0][2]
    planes, joined = BLOCK.findall(PAGE.partition("## Features from tables")[2].partition("## ")[0])
    (tmp_path / planes[1]).write_text(planes[2])
    assert run([joined[2]], tmp_path, 180, SCORER_FEATURES__URL=redis_url).stderr.endswith(said[2])
    found = parquet.read_table(tmp_path / "scores.parquet", columns=["missing"]).to_pylist()
    assert [row["missing"] for row in found] == [["route", "weather"], ["plane", "route", "weather"], []]
