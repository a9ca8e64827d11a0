"""Replicas: `scorer run` as processes of their own, started, watched by HTTP, and killed."""

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

_LOOK_SECONDS = 0.5  # between two questions
_ANSWER_SECONDS = 0.5
_STOP_SECONDS = 40.0  # more than a replica takes by itself, which is shutdown.deadline_s
_LAST_WORDS = 2000  # characters of a replica's log


@dataclass
class Replica:
    """One `scorer run`. Its configuration is the file's alone: it sees no SCORER_ variable of this process.

    name:       its static membership: whoever has the name has its partitions.
    config:     file of the settings.
    log:        file of what it says.
    state:      for people: starting, ready, waiting, killed or stopped.
    trouble:    why it is not ready, as it says itself.
    partitions: that it reads.
    """

    name: str
    config: Path
    log: Path
    state: str = "starting"
    trouble: str = ""
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
        """Ask how it is.

        Raises:
            Fatal: it ended without having been asked to.
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
            return  # its door is not open yet, or it is busy: as it was
        self.trouble = "; ".join(f"{name}: {health['conditions'][name]}" for name in health["failed"])
        self.state = "ready" if health["ready"] else "starting" if self.state == "starting" else "waiting"

    def check(self) -> None:
        """Make sure that it runs, unless it was asked to end.

        Raises:
            Fatal: it ended by itself.
        """
        if self.state not in {"killed", "stopped"} and (code := self._process.poll()) is not None:
            raise Fatal(f"{self.name} (pid {self.pid}) ended by itself with exit code {code}:\n{self.last_words}")

    def metrics(self) -> str:
        """What /metrics says; empty where it does not answer, such as before its door is open."""
        try:
            return _get(self.port, "metrics").decode()
        except OSError:
            return ""

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LAST_WORDS:]

    def kill(self) -> None:
        """SIGKILL: nothing in it can react."""
        self._process.kill()
        self._process.wait()
        self.state, self.partitions = "killed", []

    def stop(self) -> None:
        """SIGTERM, and wait.

        Raises:
            Fatal: it did not exit with 0, or not in time.
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
    """Return a page of a replica, whatever its status."""
    headers = {"Cache-Control": "no-cache", "Accept": "text/plain"}  # the format that the parser reads
    request = urllib.request.Request(f"http://{HOST}:{port}/{page}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310  a page of our child
            return bytes(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read()
