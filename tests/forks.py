"""Processes forked from one that has imported the packages: importing them takes longer than most tests.

They are processes like any other: they can be killed and frozen, and what they leave behind is real.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

# No module of this project: a mutant is a copy of it, and has its own.
PACKAGES = (
    "_pytest.assertion.rewrite confluent_kafka.admin hypothesis.stateful numba pydantic pytest redis scipy.linalg "
    "structlog xgboost"
)
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(PACKAGES.split())
# Run as text, so that the new process imports no module of this project before it knows which copy to take.
_COMMAND = """
import os, signal, sys
os.chdir(folder)
os.environ.clear()
os.environ.update(environment)
signal.signal(signal.SIGINT, signal.default_int_handler)
for number, file in enumerate(files):
    opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644) if isinstance(file, str) else file.detach()
    os.dup2(opened, number)
    os.close(opened)
encoding = environment.get("PYTHONIOENCODING")
sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", encoding=encoding), open(2, "w", encoding=encoding)
sys.argv = ["scorer", *words]
from scorer.cli import main
ended = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(ended)
"""
# The program `scorer` for a shell: it has the command's place in pipes and jobs, and the command itself is a fork.
_PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
signals = {{signal.SIGINT, signal.SIGTERM}}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
door = socket.socket(socket.AF_UNIX)
door.connect({door!r})
socket.send_fds(door, [b"."], [0, 1, 2])
asked = {{"words": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}}
door.sendall(json.dumps(asked).encode() + b"\\n")
answers = door.makefile()
pid = int(answers.readline())
for number in signals:
    signal.signal(number, lambda number, _: os.kill(pid, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
code = int(answers.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def forked(text: str, names: Mapping[str, Any]) -> Any:
    """Start a process that runs a text of Python with some names."""
    process = _CONTEXT.Process(target=exec, args=(text, dict(names)))
    process.start()
    return process


class Process(Protocol):
    """A process, whoever started it."""

    pid: int

    def send_signal(self, number: int, /) -> None:
        """Send a signal."""

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""

    def wait(self) -> int:
        """Wait until it ends."""

    def kill(self) -> None:
        """End it."""


class Command:
    """A command of `scorer` in a process of its own, with the methods of `subprocess.Popen` that tests use.

    Args:
        words: the arguments.
        log: the file to append its output to.
        environment: its variables.
    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        log.touch()
        names = {"words": list(words), "environment": dict(environment), "folder": str(Path.cwd())}
        self._process = forked(_COMMAND, names | {"files": [os.devnull, str(log), str(log)]})
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the number of the signal that ended it, negated; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in so many seconds.
        """
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("scorer", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without letting it do anything more."""
        self.send_signal(signal.SIGKILL)


class _Passed:
    """A file that a new process gets, where it has the method `detach`."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        passed: Any = DupFd(self._file)  # for the process that is being started
        return type(passed), (passed.ind,)


class Program:
    """The program `scorer` for shells, in a folder for their PATH."""

    def __init__(self) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="program-")
        self.folder = Path(self._made.name)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.folder / "door"))
        self._door.listen(128)
        program = self.folder / "scorer"
        program.write_text(_PROGRAM.format(python=sys.executable, door=str(self.folder / "door")))
        program.chmod(0o755)
        Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        """Remove the program."""
        self._door.close()
        self._made.cleanup()

    def _open(self) -> None:
        with suppress(OSError):  # closed
            while True:
                Thread(target=_serve, args=(self._door.accept()[0],), daemon=True).start()


def _serve(client: socket.socket) -> None:
    """Run one command, and kill it if its program is killed."""
    with client, client.makefile("r") as asked:
        _, files, _, _ = socket.recv_fds(client, 1, 3)
        names = json.loads(asked.readline())
        process = forked(_COMMAND, names | {"files": [_Passed(file) for file in files]})
        for file in files:
            os.close(file)
        client.sendall(f"{process.pid}\n".encode())
        if client in wait([process.sentinel, client]):
            process.kill()
        process.join()
        with suppress(OSError):
            client.sendall(f"{process.exitcode}\n".encode())


def freeze(process: Process) -> None:
    """Pause a process; on return all of its threads are stopped, or it has exited."""
    process.send_signal(signal.SIGSTOP)
    while process.poll() is None and not _stopped(process.pid):
        time.sleep(0.001)


def _stopped(pid: int) -> bool:
    try:
        states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # a thread has ended meanwhile
        return False
    return set(states) <= {"T"}
