"""The pages of the documentation, and their commands."""

import atexit
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.forks import Program

ROOT = Path(__file__).parents[2]
PATIENT = {"SCORER_FEATURES__TIMEOUT_MS": "30000"}  # the machine may be busy
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "models/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)  # fmt: skip
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^(?:```.*?^```|~~~.*?^~~~)$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```\w*[^\n]*\n(.*?)^```$|(?<!`)`([^`\n]+)`(?!`)", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """For the id of a test."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", page.read_text())


def code(page: Path) -> list[str]:
    """Return the code in a page: each line of a block, and each piece in a line."""
    return [line for block, piece in _CODE.findall(page.read_text()) for line in (block or piece).splitlines()]


def unpack(text: str, folder: Path) -> list[str]:
    """Write the files of a text to a folder, and return its commands: every block must be one or the other."""
    commands = []
    for language, file, block in BLOCK.findall(text):
        if file:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(block)
        else:
            assert language == "sh", f"a block of {language} is neither a file nor a command"
            commands.append(block)
    return commands


def configure(folder: Path, name: str, settings: Mapping[str, Any], brokers: str = "localhost:9") -> None:
    """Write scorer.yaml for the model of flight delays, and the model's first version beside it.

    Args:
        folder: where all goes.
        name: of the group, and of the stem of its topics.
        settings: what a page adds; those of Kafka are added to the others of its group.
        brokers: the bootstrap servers.
    """
    shutil.copytree(ROOT / "models/flight-delays/1", folder / "models/flight-delays/1")
    kafka = {
        "bootstrap_servers": brokers,
        "group_id": name,
        "input_topics": [f"{name}.flights"],
        "output_topic": f"{name}.delays",
        "dead_letter_topic": f"{name}.dead",
    }
    document = {
        "events": {"schema": str(ROOT / "schemas/flight.avsc")},
        "features": {"url": "redis://localhost:9/0"},
        "model": {"path": "models/flight-delays"},
        **settings,
        "kafka": kafka | settings.get("kafka", {}),
    }
    (folder / "scorer.yaml").write_text(yaml.safe_dump(document))


@cache
def program() -> Path:
    """Return the folder of the program `scorer`, which starts quickly."""
    made = Program()
    atexit.register(made.close)
    return made.folder


def run(
    commands: Sequence[str],
    folder: Path,
    seconds: float,
    programs: Sequence[Path] = (),
    *,
    jobs: bool = False,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run commands in one shell, with the programs of some folders and of this environment; all must succeed.

    With `jobs`, the background jobs are named %1 and %2, as in a person's shell, and none outlives it.
    """
    if jobs:  # otherwise a failed command would leave them with the pipe open, and this would wait for them
        commands = ["trap 'kill $(jobs -p) 2> /dev/null || true' EXIT", *commands]
    path = ":".join([*map(str, programs), str(program()), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/bash", *(["-m"] if jobs else []), "-e", "-c", "\n".join(commands)],
        cwd=folder,
        env=os.environ | PATIENT | {"PATH": path} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
