"""Nothing outlives the process that started a sandbox, however that process ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import mainly

# Starts a sandbox, names its folder and process group, then does what it is told to.
OWNER = """
import sys
from scorer.sandbox import Sandbox
from scorer.sandbox.watchdog import watchdog
with Sandbox() as sandbox:
    print(sandbox.folder, watchdog().group, flush=True)
    exec(sys.argv[1])
    import time
    time.sleep(600)
"""
PATIENCE_S = 90.0


@pytest.fixture
def start_owner(tmp_path: Path) -> "StartOwner":
    return StartOwner(tmp_path / "environment")


class StartOwner:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, then: str = "pass") -> tuple["subprocess.Popen[str]", Path, int]:
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, then],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TMPDIR": str(self.file.parent)},
        )
        assert owner.stdout is not None
        folder, group = owner.stdout.readline().rsplit(maxsplit=1)
        assert group_is_alive(int(group))
        return owner, Path(folder), int(group)


def group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def assert_gone(folder: Path, group: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while (folder.exists() or group_is_alive(group)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not folder.exists()
    assert not group_is_alive(group)


@pytest.mark.parametrize("number", mainly(signal.SIGKILL, of=[signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
def test_a_signal_to_the_owner_stops_everything(start_owner: StartOwner, number: signal.Signals) -> None:
    owner, folder, group = start_owner()
    owner.send_signal(number)
    owner.wait(PATIENCE_S)
    assert_gone(folder, group)


@pytest.mark.prove
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("raise RuntimeError", marks=pytest.mark.prove),
        pytest.param("import os; os._exit(3)", marks=pytest.mark.prove),
        "sandbox.kafka.pause(); sandbox.redis.pause(); import os; os.abort()",
    ],
)
def test_everything_stops_however_the_owner_exits(start_owner: StartOwner, end: str) -> None:
    owner, folder, group = start_owner(end)
    owner.wait(PATIENCE_S)
    assert_gone(folder, group)


@pytest.mark.prove
def test_the_environment_file_is_removed_after_its_owner_is_killed(start_owner: StartOwner) -> None:
    file = start_owner.file
    owner, folder, group = start_owner(f"import pathlib; sandbox.write_environment(pathlib.Path({str(file)!r}))")
    end = time.monotonic() + PATIENCE_S
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert "SCORER_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:" in file.read_text()
    owner.kill()
    owner.wait()
    assert_gone(folder, group)
    assert not file.exists()
