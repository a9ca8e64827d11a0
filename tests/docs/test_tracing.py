"""The page on traces works: its commands are run as they stand there."""

from pathlib import Path

import pytest
import yaml

from tests.docs.pages import BLOCK, ROOT, configure, run

PAGE = (ROOT / "docs/tracing.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.prove
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    (settings,) = (yaml.safe_load(text) for _, file, text in BLOCKS if file == "otel.yaml")
    configure(tmp_path, "traced", settings)
    commands = [text for language, _, text in BLOCKS if language == "sh"]
    assert len(commands) == 1
    done = run(commands, tmp_path, 60)
    assert "packages for OTLP" in done.stderr
    assert "otel.sample" in done.stdout
    assert "TOKEN" not in done.stdout
