"""Replicas: `scorer run` as child processes that are started, watched over HTTP, stopped and killed."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from scorer.errors import Fatal
from scorer.sandbox.server import HOST, free_port
from scorer.sandbox.watchdog import watchdog

_LOOK_SECONDS = 0.5  # between two requests
_ANSWER_SECONDS = 0.5
_STOP_SECONDS = 40.0  # more than a replica may take, which is shutdown.deadline_s
_LAST_WORDS = 2000  # characters of a replica's log


@dataclass
class Replica:
    """One `scorer run`. Its settings come from the file alone: it does not see SCORER_ variables of this process.

    name:       its group.instance.id: a new replica of the same name gets its partitions.
    config:     the file of the settings.
    log:        the file of its log.
    state:      for people: starting, ready, waiting, killed or stopped.
    reason:     why it is not ready, from its /ready.
    partitions: the partitions that it owns.
    """

    name: str
    config: Path
    log: Path
    state: str = "starting"
    reason: str = ""
    partitions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._due = 0.0
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, "-m", "scorer", "run", "-c", str(self.config)],
                env=inherited | {"SCORER_KAFKA__INSTANCE_ID": self.name, "SCORER_HTTP__PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=watchdog().group,
            )
        self.pid = self._process.pid

    def look(self) -> None:
        """Update `state`, `reason` and `partitions` from its HTTP pages.

        Raises:
            Fatal: it exited without being asked to.
        """
        self.check()
        if self.state in {"killed", "stopped"}:
            return
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _LOOK_SECONDS
        try:
            health = json.loads(_get(self.port, "ready"))
            self.partitions = _owned(_get(self.port, "metrics").decode())
        except OSError:
            return  # its HTTP server is not up yet, or busy: keep the last state
        self.reason = "; ".join(f"{name}: {health['conditions'][name]}" for name in health["failed"])
        self.state = "ready" if health["ready"] else "starting" if self.state == "starting" else "waiting"

    def check(self) -> None:
        """Make sure that it is running, unless it was stopped or killed.

        Raises:
            Fatal: it exited without being asked to.
        """
        if self.state not in {"killed", "stopped"} and (code := self._process.poll()) is not None:
            raise Fatal(f"{self.name} (pid {self.pid}) exited with code {code}:\n{self.last_words}")

    def metrics(self) -> str:
        """Return the text of /metrics; empty if it does not answer, for example because it is starting."""
        try:
            return _get(self.port, "metrics").decode()
        except OSError:
            return ""

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LAST_WORDS:]

    def kill(self) -> None:
        """Kill it with SIGKILL, which it cannot handle, and wait."""
        self._process.kill()
        self._process.wait()
        self.state, self.partitions = "killed", []

    def stop(self) -> None:
        """Stop it with SIGTERM, and wait.

        Raises:
            Fatal: it did not exit in time, or with another code than 0.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                code = self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Fatal(f"{self.name} (pid {self.pid}) did not stop within {_STOP_SECONDS:.0f} s") from None
            self.state = "stopped"
            if code:
                raise Fatal(f"{self.name} (pid {self.pid}) stopped with exit code {code}")


def _owned(metrics: str) -> list[int]:
    """Return the partitions whose lag a replica knows: those that it reads."""
    families = text_string_to_metric_families(metrics)
    lags = (sample for family in families if family.name == "scorer_lag_records" for sample in family.samples)
    return sorted(int(lag.labels["partition"]) for lag in lags)


def _get(port: int, page: str) -> bytes:
    """Return the body of a replica's page, whatever the HTTP status."""
    headers = {"Cache-Control": "no-cache", "Accept": "text/plain"}  # the format that the parser reads
    request = urllib.request.Request(f"http://{HOST}:{port}/{page}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310  a page of our child
            return bytes(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read()
