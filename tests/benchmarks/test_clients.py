"""The clients that load a replica's HTTP server, at a real one."""

import time
from pathlib import Path

import pytest

from benchmarks.clients import Done, command, done
from benchmarks.process import Process
from scorer.monitor import Health, Metrics, serve
from scorer.settings import HttpSettings


def load(kind: str, number: int, folder: Path) -> Done:
    """Let clients load a server for some time."""
    log = folder / kind
    with serve(HttpSettings(port=0), Metrics(), health := Health(60.0)) as server:
        health.heartbeat()
        with Process(command(kind, number, server.port), {}, log) as process:
            time.sleep(3.0)
            return done(process, log)


@pytest.mark.parametrize(("kind", "number"), [("scrape", 2), ("slow", 3)])
def test_clients_report_the_responses_they_received(tmp_path: Path, kind: str, number: int) -> None:
    told = load(kind, number, tmp_path)
    assert told.probes > 0
    assert told.failed == 0
    assert 0 < told.seconds < 3
    assert (told.pages > 0) == (kind == "scrape")
