"""The page of MLflow works: its file is written and its commands are run, on a real MLflow server."""

import json
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, run, unpack
from tests.model.mlflow import environment, serving

PAGE = (ROOT / "docs/mlflow.md").read_text()


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    assert {language for language, _, _ in BLOCK.findall(PAGE)} == {"python", "sh"}
    folder = tmp_path / "work"
    for name in ("deploy", "models", "schemas"):
        shutil.copytree(ROOT / name, folder / name)
    commands = unpack(PAGE, folder)
    with serving(tmp_path / "mlflow") as server:
        server.introduce(monkeypatch, tmp_path / "cache")
        monkeypatch.setenv("SCORER_FEATURES__URL", redis_url)
        last = "scorer models history -c deploy/scorer.yaml --json > history.json"
        # The limit is for a busy machine: MLflow's client alone takes seconds of computing to import, twice.
        done = run([*commands, last], folder, 900, [environment() / "bin"])
    assert done.stdout.count("golden events get their scores") == 2
    assert "# open" in (folder / "draft.yaml").read_text()
    assert json.loads((folder / "history.json").read_text())["now"] == "2"
