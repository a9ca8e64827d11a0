"""The page of `scorer init` shows what the commands on it print."""

import json
from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, run
from tests.init.cases import flights


@pytest.mark.prove
def test_the_page_shows_the_output_of_its_commands(tmp_path: Path, redis_url: str) -> None:
    case = flights(tmp_path)
    case.fill(redis_url)
    (tmp_path / "flights.jsonl").write_text("".join(json.dumps(each) + "\n" for each in case.events))
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    section = (ROOT / "docs/init.md").read_text().partition("## Try it")[2].partition("## What it looks at")[0]
    blocks = BLOCK.findall(section)
    assert [language for language, _, _ in blocks] == ["sh", "text", "sh", "text", "yaml"]
    for (_, _, command), (_, _, shown) in (blocks[:2], blocks[2:4]):
        done = run([command], tmp_path, 180, REDIS_URL=redis_url)
        assert done.stderr == shown
    assert (tmp_path / "second/plan.yaml").read_text().startswith(blocks[4][2])
