"""The page of `scorer init` shows what the commands on it print."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT
from tests.init.cases import flights

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_shows_what_its_commands_print(tmp_path: Path, redis_url: str) -> None:
    case = flights(tmp_path)
    case.fill(redis_url)
    (tmp_path / "flights.jsonl").write_text("".join(json.dumps(each) + "\n" for each in case.events))
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    section = (ROOT / "docs/init.md").read_text().partition("## Try it")[2].partition("## What it looks at")[0]
    blocks = BLOCK.findall(section)
    assert [language for language, _ in blocks] == ["sh", "text", "sh", "text", "yaml"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for (_, command), (_, shown) in (blocks[:2], blocks[2:4]):
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"PATH": path, "REDIS_URL": redis_url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == shown
    assert (tmp_path / "second/plan.yaml").read_text().startswith(blocks[4][1])
