import sys
import time
from pathlib import Path

import pytest

from benchmarks.process import PROC, Process
from scorer.errors import Fatal

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(60)"


def started(tmp_path: Path, script: str, **environment: str) -> Process:
    return Process([sys.executable, "-c", script], environment, tmp_path / "log")


def wait_for_text(log: Path, word: str) -> None:
    deadline = time.monotonic() + 30
    while word not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def test_cpu_time_covers_the_whole_process_tree(tmp_path: Path) -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    with started(tmp_path, child) as process:
        wait_for_text(tmp_path / "log", "done")
        assert process.cpu_seconds() >= 0.3
        assert process.peak_megabytes() > 1


def test_cpu_time_includes_children_that_exited(tmp_path: Path) -> None:
    burn = BURN.replace("time.sleep(60)", "")
    run = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {burn!r}])"
    script = f"{run}; print('over', flush=True); time.sleep(60)"
    with started(tmp_path, script) as process:
        wait_for_text(tmp_path / "log", "over")
        assert process.cpu_seconds() >= 0.3


def test_a_program_that_exits_by_itself_is_reported_with_its_last_output(tmp_path: Path) -> None:
    with started(tmp_path, "import os; raise SystemExit(os.environ['WORDS'])", WORDS="no more events") as process:
        wait_for_text(tmp_path / "log", "no more")
        with pytest.raises(Fatal, match=r"code 1:\nno more events"):  # noqa: PT012  it ends a moment after its words
            while True:
                process.check()
                time.sleep(0.02)


def test_no_process_is_left_at_the_end(tmp_path: Path) -> None:
    with started(tmp_path, "import os, time; print(os.getpid(), 'is', flush=True); time.sleep(60)") as process:
        wait_for_text(tmp_path / "log", "is")
        process.check()
    assert not (PROC / (tmp_path / "log").read_text().split()[0]).exists()


def test_a_program_may_shut_down_gracefully(tmp_path: Path) -> None:
    script = "import signal\nsignal.signal(15, lambda *_: print('bye'))\nprint('up', flush=True)\nsignal.pause()"
    with started(tmp_path, script) as process:
        wait_for_text(tmp_path / "log", "up")
        process.stop()
        assert (tmp_path / "log").read_text().split() == ["up", "bye"]


def test_a_program_that_has_exited_uses_no_cpu_time(tmp_path: Path) -> None:
    with started(tmp_path, "print('up')") as process:
        process.stop()
        process.kill()
        assert process.cpu_seconds() == 0
