"""The base of the sandbox's servers: a child process with a folder, a port and a log."""

import os
import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import ClassVar, Self

from scorer.errors import Fatal
from scorer.sandbox.watchdog import watchdog

HOST = "127.0.0.1"
# Below the ephemeral range: otherwise a client that keeps connecting to a stopped server could get that server's own
# port as its source port, and the server could not start again.
_PORTS = range(20_000, 32_000)
READY_S = 60.0
_STOP_S = 30.0
_given: set[int] = set()  # a port belongs to its server for good, even before it listens and while it is down
# A bound UDP socket on the same port number shows other processes like this one that the port was just given out.
_claims: deque[socket.socket] = deque()
_CLAIMS = 128  # how many of the latest claims are kept: their servers may not listen yet


def free_port(twin: int = 0) -> int:
    """Return a free loopback port, which is never returned again.

    Args:
        twin: if not 0, the port this far above is free as well: a node of a Redis cluster also listens 10,000 above its
            own port.
    """
    ports = range(_PORTS.start, _PORTS.stop - twin)
    for port in random.sample(ports, 200):
        if _claim(port) and (not twin or _claim(port + twin)):
            return port
    raise Fatal(f"no free port on {HOST} between {ports.start} and {ports.stop}; stop some servers")


def _claim(port: int) -> bool:
    if port in _given or not _is_free(port):
        return False
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((HOST, port))
    except OSError:
        claim.close()
        return False
    _given.add(port)
    _claims.append(claim)
    if len(_claims) > _CLAIMS:
        _claims.popleft().close()
    return True


def freeze(child: subprocess.Popen[bytes]) -> None:
    """Pause a child process (SIGSTOP); on return all of its threads are stopped, or it has exited."""
    child.send_signal(signal.SIGSTOP)
    if child.poll() is None:  # WNOWAIT leaves the exit code to the child's owner
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class Server(ABC):
    """One server as a child process on loopback, which ends with the process that started it.

    Its data is in `folder` and survives a stop, so `kill()` and `start()` are a crash and a recovery on the same port.
    If it does not start, it raises Fatal with the end of its log.
    """

    name: ClassVar[str]
    ready_line: ClassVar[bytes]  # in its log once it takes requests

    def __init__(self, folder: Path, port: int | None = None) -> None:
        if port is not None and not _is_free(port):
            raise Fatal(f"{self.name}: port {port} on {HOST} is taken; choose another, or stop what listens there")
        self.folder = folder
        self.port = port or free_port()
        self.log = folder / f"{type(self).__name__.lower()}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self.port}"

    @property
    @abstractmethod
    def version(self) -> str:
        """The name and version of the program, for people."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Write the server's files to the folder, and return its command line."""

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603  a program that we chose
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                process_group=watchdog().group,
            )

    def await_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until it takes requests; kill it if the wait ends in any other way."""
        try:
            self._await_line(timeout_s)
        except BaseException:
            self.kill()
            raise

    def _await_line(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while self.ready_line not in self._log_text():
            if not self.running:
                raise Fatal(f"{self.name} did not start (exit code {self._exit_code()}). {self._log_tail()}")
            if time.monotonic() > end:
                raise Fatal(f"{self.name} was not ready after {timeout_s:.0f} s. {self._log_tail()}")
            time.sleep(0.02)

    def start(self) -> Self:
        """Start it and wait until it takes requests."""
        self.launch()
        self.await_ready()
        return self

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Ask it to shut down (SIGTERM) and wait; kill it if it does not."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        self.resume()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it (SIGKILL), as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, but nothing answers."""
        if self._process is not None:
            freeze(self._process)

    def resume(self) -> None:
        """Continue after `pause` (SIGCONT)."""
        self._signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The process id of the started server."""
        if self._process is None:
            raise Fatal(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists, paused or not."""
        return self._process is not None and self._exit_code() is None

    def _exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _log_text(self) -> bytes:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def _log_tail(self) -> str:
        return f"The end of {self.log}:\n{self._log_text()[-2000:].decode(errors='replace')}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
