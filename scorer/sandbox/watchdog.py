"""Ends the servers of a process and removes their folders once that process is gone, however it ended.

Servers are children of their owner and members of the process group of its watchdog, so Ctrl-C in a terminal
reaches the owner alone. The watchdog reads a pipe whose other end only the owner holds: the end of the owner, even
by kill -9, closes the pipe, and then everything in the group is killed. `prctl(PR_SET_PDEATHSIG)` would not do: it
is Linux only, follows the starting thread and not the process, and removes no folder.
"""

import atexit
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_S = 10.0


class Watchdog:
    """The owner's side: one child process, the leader of the group that servers are started in."""

    def __init__(self) -> None:
        # By its path and without site-packages, it is ready in some 20 ms and imports nothing of ours.
        command = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(  # noqa: S603  our own file
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0, text=True
        )
        atexit.register(self._release)

    @property
    def group(self) -> int:
        """The process group for servers, as `subprocess.Popen(process_group=...)` takes it."""
        return self._process.pid

    def remove(self, path: Path) -> None:
        """Have a folder or a file removed when the owner is gone."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  it was asked for
        pipe.write(f"{path.resolve()}\n")
        pipe.flush()

    def _release(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


@functools.cache
def watchdog() -> Watchdog:
    """The watchdog of this process, started at the first call."""
    return Watchdog()


def _remove(paths: list[Path]) -> None:
    """Remove files, and folders in which processes that were just killed may still be writing."""
    end = time.monotonic() + _PATIENCE_S
    while any(path.exists() for path in paths) and time.monotonic() < end:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        time.sleep(0.05)


def main() -> None:
    """Wait for the owner's end, then kill the group and remove what the owner named."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # a group with a paused server gets SIGHUP when it is orphaned
        signal.signal(number, signal.SIG_IGN)
    paths = [Path(line.rstrip("\n")) for line in sys.stdin]
    group = os.getpgrp()
    if os.fork() == 0:  # a child outside the group outlives the blow, and then clears up
        os.setpgid(0, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        _remove(paths)


if __name__ == "__main__":
    main()
