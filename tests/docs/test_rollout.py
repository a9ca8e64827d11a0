"""The page on rolling out a version works: its commands are run, as they stand there, on a real broker."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from scorer.rollout.state import read_state
from scorer.sandbox import Kafka
from tests.docs.pages import BLOCK, ROOT, configure, run

PAGE = (ROOT / "docs/rollout.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.mark.prove  # a dozen commands, each a process of its own
def test_every_command_of_the_page_works(tmp_path: Path, kafka: Kafka) -> None:
    (settings,) = (yaml.safe_load(text) for _, file, text in BLOCKS if file == "rollout-settings.yaml")
    configure(tmp_path, "page", settings, kafka.bootstrap)
    shutil.copytree(tmp_path / "models/flight-delays/1", tmp_path / "new")
    commands = [text for language, _, text in BLOCKS if language == "sh"]
    assert len(commands) >= 6
    said = run([*commands, "scorer models history --json > history.json"], tmp_path, 300).stdout
    assert "created flight-delays.control" in said
    assert "after `scorer models promote 2`" in said
    history = yaml.safe_load((tmp_path / "history.json").read_text())
    assert [change["to"] for change in history["changes"]] == [
        "1",
        "1, shadow 2 of 0.5",
        "1, canary 2 at 1%, shadow 2 of 0.5, default guards",
        "1, canary 2 at 25%, shadow 2 of 0.5",
        "2",
        "1",
        "1, canary 2 at 25%, shadow 2 of 0.5",
        "1, shadow 2 of 0.5",
        "1, shadow 2 of 0.5, ensemble both: mean of 1 (0.7) and 2 (0.3)",
        "1, canary both at 5%, shadow 2 of 0.5, ensemble both: mean of 1 (0.7) and 2 (0.3)",
        "1, shadow 2 of 0.5, ensemble both: mean of 1 (0.7) and 2 (0.3)",
        "1, shadow 2 of 0.5",
        "1, shadow 2 of 0.5, guards psi 0.5",
    ]
    assert history["changes"][1]["why"] == "first look"


def test_the_state_on_the_page_is_one() -> None:
    (text,) = re.findall(r"^```yaml\n(champion.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    state = read_state(yaml.safe_load(text), "page")
    assert str(state) == "1, canary 2 at 1%, shadow 3 of 0.1, ensemble both: mean of 1 (0.7) and 2 (0.3)"
