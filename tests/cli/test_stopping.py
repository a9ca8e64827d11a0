import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scorer.cli.lifecycle.stopping import STOPS, at_once, terminable

PATIENCE_SECONDS = 60.0
# Runs pytest as `nohup` or a script in the background would, and somewhat worse.
UNHEARING = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("stop", STOPS)
def test_a_signal_during_kernel_compilation_exits_0_at_once_without_output(
    tmp_path: Path, stop: signal.Signals
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "scorer", "score", "--help"],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(tmp_path.rglob("*.nbc")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert command.poll() is None
    command.send_signal(stop)
    assert command.communicate(timeout=PATIENCE_SECONDS) == ("", "")
    assert command.returncode == 0


def test_a_signal_ignored_for_background_jobs_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminable(), at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_signal_tests_pass_even_if_the_parent_ignores_or_blocks_signals() -> None:
    tests = ["tests/cli/test_main.py", "-k", "test_a_signal_ends_a_command"]
    ended = subprocess.run(
        [sys.executable, "-c", UNHEARING, *tests, "-q", "-n0", "-p", "no:cacheprovider"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
