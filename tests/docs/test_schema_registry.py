"""The page of the registry works: its files are written and its commands are run, against a real registry."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.test_tutorial import BLOCK
from tests.registry.apicurio import Apicurio

PAGE = Path(__file__).parents[2] / "docs/schema-registry.md"


def test_every_command_of_the_page(tmp_path: Path) -> None:
    folder, commands = tmp_path / "work", []
    folder.mkdir()
    section = PAGE.read_text().partition("## Try it")[2].partition("## The reader's view")[0]
    for language, name, text in BLOCK.findall(section):
        if name:
            (folder / name).write_text(text)
        else:
            assert language == "sh", f"a block of {language} is neither a file nor a command"
            commands.append(text)
    assert len(commands) == 5
    with Apicurio(tmp_path / "apicurio") as registry:
        run = subprocess.run(
            ["/bin/bash", "-m", "-e", "-c", "\n".join(commands)],
            cwd=folder,
            env=os.environ
            | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "REGISTRY_URL": registry.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    assert "payments-value" in run.stdout
    assert "default" in run.stdout
    assert "ready to run" in said
    assert "stopped: everything written is committed" in said
