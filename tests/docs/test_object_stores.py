"""The page of object stores works: its commands are run, on a server with the interface of S3."""

from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, run
from tests.model.s3 import BUCKET, serving

PAGE = ROOT / "docs/object-stores.md"


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [block for language, _, block in BLOCK.findall(PAGE.read_text()) if language == "sh"]
    with serving(tmp_path / "s3") as server:
        server.introduce(monkeypatch, tmp_path / "cache")
        done = run(commands, ROOT, 300)
        state = server.files().cat_file(f"{BUCKET}/flight-delays/rollout.yaml").decode()
    assert "s3://models/flight-delays" in done.stdout
    assert done.stdout.count("verified") >= 2
    assert 'champion: "1"' in state
    assert list((tmp_path / "cache/scorer/models").glob("*/flight-delays/1/model.ubj"))
