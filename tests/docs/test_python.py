"""The page of the Python API works: its code is run in order, and prints what stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path, **variables: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_code_of_the_page_prints_the_output_shown() -> None:
    blocks = BLOCK.findall((ROOT / "docs/python.md").read_text())
    assert {language for language, _ in blocks} == {"python", "text"}
    printed = run("".join(text for language, text in blocks if language == "python"), ROOT)
    assert printed == "".join(text for language, text in blocks if language == "text")
    assert len(printed.splitlines()) > 8


def test_a_score_takes_the_three_lines_of_the_readme(tmp_path: Path, redis_url: str) -> None:
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    (code,) = (text for language, text in blocks if language == "python")
    (config,) = (text for language, text in blocks if language == "yaml" and text.startswith("# scorer.yaml"))
    golden = (ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()
    (tmp_path / "scorer.yaml").write_text(config)
    (tmp_path / "flights.jsonl").write_text("\n".join(json.dumps(json.loads(line)["event"]) for line in golden))
    for folder in ("models", "schemas"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    assert len(list(filter(None, code.splitlines()))) == 3
    printed = run(
        f"{code}\nprint(len(scores), scores['score'].between(0, 1).all())", tmp_path, SCORER_FEATURES__URL=redis_url
    )
    assert printed == f"{len(golden)} True\n"
