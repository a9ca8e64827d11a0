"""The tutorial works: its files are written and its commands are run, as they stand on the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_command_of_the_tutorial(tmp_path: Path) -> None:
    commands = []
    for language, name, text in BLOCK.findall(PAGE.read_text()):
        if name:
            (tmp_path / name).write_text(text)
        else:
            assert language == "sh", f"a block of {language} is neither a file nor a command"
            commands.append(text)
    assert len(commands) > 8
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # -m: the page's background jobs are named %1 and %2, as in a person's shell.
    run = subprocess.run(
        ["/bin/bash", "-m", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    offline = [line for line in run.stdout.splitlines() if '"event_id"' in line]
    assert len(offline) == 3
    assert "truncated" in said
    assert "stopped: everything written is committed" in said
    assert not (tmp_path / "sandbox.env").exists(), "the sandbox outlived its shell"
