"""`scorer serve` as a child process, and a small client of it."""

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.forks import Command

PATIENCE = 120.0  # seconds: the first start on a busy machine compiles kernels


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its document, which is strict JSON."""
        return json.loads(self.body, parse_constant=_refuse)


class Served:
    """One server on a free port; it does not see SCORER_ variables of this process.

    Args:
        config: the configuration; its `serve.port` is replaced.
        log: where its log goes.
        variables: more of the environment.
    """

    def __init__(self, config: Path, log: Path, **variables: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SCORER_", "AIP_"))}
        self.log = log
        own = {"SCORER_SERVE__PORT": "0", "SCORER_LOG__FORMAT": "json"}
        self._process = Command(["serve", "-c", str(config)], log, inherited | own | variables)
        self.pid = self._process.pid
        self.url = self._started()["url"]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def memory(self) -> int:
        """Its resident memory, in bytes."""
        (line,) = (
            line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        return int(line.split()[1]) * 1024

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What its log says so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("}\n")]

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """Return a connection, which is kept alive."""
        if context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str | None = None,
        context: ssl.SSLContext | None = None,
        **headers: str,
    ) -> Reply:
        """Return the response to one request; a body that is neither bytes nor text is sent as JSON."""
        connection = self.connect(context)
        try:
            return ask(connection, path, body, method=method, **headers)
        finally:
            connection.close()

    def until_ready(self) -> None:
        """Wait until /ready says so."""
        end = time.monotonic() + PATIENCE
        while self.ask("/ready").status != 200:
            assert time.monotonic() < end, self.ask("/ready").body
            time.sleep(0.05)

    def terminate(self) -> None:
        """Ask it to stop."""
        self._process.terminate()

    def ended(self) -> int:
        """Return the exit code, once it has ended."""
        return self._process.wait(PATIENCE)

    def _started(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self.lines:
                if line["event"] == "serving":
                    return line
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    **headers: str,
) -> Reply:
    """Return the response to one request on a connection."""
    sent = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method or ("GET" if body is None else "POST"), path, sent, named)
    response = connection.getresponse()
    return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def serving_only(config: Path, **serve: object) -> Path:
    """Take the stream out of a configuration, and return it."""
    document = yaml.safe_load(config.read_text())
    document.pop("kafka", None)
    document["serve"] = serve
    config.write_text(yaml.safe_dump(document))
    return config


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
