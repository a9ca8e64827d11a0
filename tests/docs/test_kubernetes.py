"""The commands of the pages about Kubernetes and sizing that need no cluster and no container engine are run."""

import re
from pathlib import Path

import pytest

from tests.deploy.conftest import MOUNTED
from tests.deploy.tools import home
from tests.docs.pages import BLOCK, ROOT, run

INDENTED = re.compile(r"^   ```(sh)\n(.*?)^   ```$", re.MULTILINE | re.DOTALL)
SAID = {"kubernetes.md": ["kind: StatefulSet", "kafka.kafka.svc:9092"], "sizing.md": ["events"]}


def output(page: Path) -> str:
    commands = [text for language, _, text in BLOCK.findall(page.read_text()) if language == "sh"]
    commands += [text for _, text in INDENTED.findall(page.read_text())]
    assert commands
    done = run(commands, ROOT, 300, [home()])
    return done.stdout + done.stderr


@pytest.mark.prove
@pytest.mark.parametrize("page", SAID)
def test_every_command_that_needs_no_cluster_works(page: str) -> None:
    said = output(ROOT / "docs" / page)
    assert [text for text in SAID[page] if text not in said] == []


def test_the_second_image_has_the_files_that_the_tests_mount() -> None:
    (block,) = re.findall(r"```dockerfile file=\S+\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL)
    copied = re.findall(r"^ *COPY (\w+) (\w+)$", block, re.MULTILINE)
    assert copied == [(name, name) for name in MOUNTED if "/" not in name]
