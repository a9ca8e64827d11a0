"""A measured program: its start, its end, and the processor time of it and its children, from Linux's /proc."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from scorer.errors import Fatal
from scorer.sandbox.watchdog import watchdog

PROC = Path("/proc")
_ROOT = Path(__file__).parents[1]
_STOP_SECONDS = 30.0
_LAST_WORDS = 2000  # characters of its log


class Process:
    """A program from `with` until its end; it goes with this process in any case.

    Args:
        command: to run.
        environment: added to that of this process.
        log: file for what it says.

    Raises:
        Fatal: this is not Linux.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        if not (PROC / "self" / "stat").exists():
            raise Fatal("the benchmark reads processor times from /proc, which only Linux has")
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603  our own programs
                command,
                cwd=_ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                process_group=watchdog().group,
            )

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            Fatal: it has ended.
        """
        if (code := self._process.poll()) is not None:
            words = self._log.read_text(errors="replace")[-_LAST_WORDS:]
            raise Fatal(f"the measured program ended by itself with exit code {code}:\n{words}")

    def cpu_seconds(self) -> float:
        """User and system time of the program, its children, and those that it has waited for."""
        ticks = 0
        for pid in self._tree():
            try:
                stat = (PROC / str(pid) / "stat").read_text()
            except OSError:
                continue
            ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """The most memory that it held at a time."""
        status = (PROC / str(self._process.pid) / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _tree(self) -> Iterator[int]:
        pids = [self._process.pid]
        for pid in pids:
            for children in (PROC / str(pid) / "task").glob("*/children"):
                try:
                    pids += map(int, children.read_text().split())
                except OSError:
                    continue
        yield from pids

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.kill()
