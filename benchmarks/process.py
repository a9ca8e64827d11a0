"""A measured program: its start, its end, and its CPU time with that of its children, from Linux's /proc."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from scorer.errors import Fatal
from scorer.sandbox.watchdog import watchdog

PROC = Path("/proc")
_ROOT = Path(__file__).parents[1]
_STOP_SECONDS = 30.0
_LAST_WORDS = 2000  # characters of its log
_SCHEDULED = 2  # the clock of a process that clock_getcpuclockid(3) gives


class Process:
    """A program that runs during a `with` block, and never outlives this process.

    Args:
        command: to run.
        environment: added to that of this process.
        log: file for what it says.
        folder: in which it runs; by default this checkout.

    Raises:
        Fatal: this is not Linux.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = _ROOT) -> None:
        if not (PROC / "self" / "stat").exists():
            raise Fatal("the benchmark reads processor times from /proc, which only Linux has")
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603  our own programs
                command,
                cwd=folder,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                process_group=watchdog().group,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check(self) -> None:
        """Make sure that it is running.

        Raises:
            Fatal: it has ended.
        """
        if (code := self._process.poll()) is not None:
            raise Fatal(f"the measured program exited with code {code}:\n{self.last_words()}")

    @property
    def log(self) -> str:
        """Its output."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of its output."""
        return self.log[-_LAST_WORDS:]

    def cpu_seconds(self) -> float:
        """User and system time of the program, its children, and those that it has waited for."""
        return cpu_seconds(self.pid)

    def megabytes(self) -> float:
        """Its current memory."""
        return self._megabytes("VmRSS")

    def peak_megabytes(self) -> float:
        """Its peak memory."""
        return self._megabytes("VmHWM")

    def _megabytes(self, name: str) -> float:
        status = (PROC / str(self.pid) / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024

    def stop(self) -> None:
        """Stop it with SIGTERM, and kill it if it does not stop."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.kill()


def cpu_seconds(pid: int) -> float:
    """User and system time of a program, its children, and those that it has waited for."""
    seconds = 0.0
    for each in _tree(pid):
        try:
            stat = (PROC / str(each) / "stat").read_text()
            seconds += time.clock_gettime(~each << 3 | _SCHEDULED)  # /proc alone counts in steps of 10 ms
        except OSError:
            continue
        seconds += sum(map(int, stat.rpartition(")")[2].split()[13:15])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _tree(pid: int) -> Iterator[int]:
    pids = [pid]
    for each in pids:
        for thread in _threads(each):
            with suppress(OSError):  # it has ended
                pids += map(int, (thread / "children").read_text().split())
    yield from pids


def _threads(pid: int) -> list[Path]:
    try:
        return [*(PROC / str(pid) / "task").iterdir()]
    except FileNotFoundError:  # the program has ended
        return []
