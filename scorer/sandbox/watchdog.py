"""Kills the servers of a process and removes their folders once that process has ended, in whatever way.

Servers are children of their owner, but belong to the process group of its watchdog, so Ctrl-C in a terminal reaches
only the owner. The watchdog reads a pipe whose other end only the owner holds: when the owner ends, even by kill -9,
the pipe closes, and everything in the group is killed. `prctl(PR_SET_PDEATHSIG)` is no alternative: it is Linux only,
is tied to the starting thread instead of the process, and removes no folder.
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
        # Run by path and without site-packages, it is ready in about 20 ms and imports none of our packages.
        command = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(  # noqa: S603  our own file
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0, text=True
        )
        atexit.register(self._release)

    @property
    def group(self) -> int:
        """The process group of the servers, for `subprocess.Popen(process_group=...)`."""
        return self._process.pid

    def remove(self, path: Path) -> None:
        """Remove a folder or a file after the owner has ended."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101  Popen was called with stdin=PIPE
        pipe.write(f"{path.resolve()}\n")
        pipe.flush()

    def _release(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


@functools.cache
def watchdog() -> Watchdog:
    """Return the watchdog of this process, which is started at the first call."""
    return Watchdog()


def _remove(paths: list[Path]) -> None:
    """Remove files and folders, with retries, since processes that were just killed may still be writing."""
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
    """Wait until the owner ends, then kill the group and remove the paths that the owner named."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # a group with a paused server gets SIGHUP when it is orphaned
        signal.signal(number, signal.SIG_IGN)
    paths = [Path(line.rstrip("\n")) for line in sys.stdin]
    group = os.getpgrp()
    if os.fork() == 0:  # a child outside the group survives the kill, and cleans up
        os.setpgid(0, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        _remove(paths)


if __name__ == "__main__":
    main()
