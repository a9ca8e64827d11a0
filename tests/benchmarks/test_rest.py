"""The tables of `scorer serve` beside its rivals, of times that mean nothing, and of answers that are right."""

import asyncio
import io
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console

from benchmarks import rest
from benchmarks.process import Process
from benchmarks.rest import columns, load, paced
from scorer.errors import Fatal
from scorer.sandbox.server import free_port

SLEEP = asyncio.sleep


def test_a_wrong_answer_fails_the_benchmark() -> None:
    event = {"flight_id": "F1"}
    rest.confirm({"event_id": "F1", "score": 0.5}, event, 0.5)
    for wrong in ({"event_id": "F2", "score": 0.5}, {"event_id": "F1", "score": 0.25}, {"status": 503}):
        with pytest.raises(Fatal, match=r"the event F1 has the score 0\.5"):
            rest.confirm(wrong, event, 0.5)


def stand_in(folder: Path, _: Path, stack: ExitStack) -> tuple[Process, int]:
    """Start another `scorer serve` where MLServer would be, which takes a minute to install; it speaks the same."""
    port = free_port()
    words = [sys.executable, "-m", "scorer", "serve", "-c", str(folder / "scorer.yaml"), "--set", f"serve.port={port}"]
    return stack.enter_context(Process(words, {}, folder / "stand-in.log")), port


@pytest.mark.prove  # the first time installs FastAPI and XGBoost into an environment of their own
def test_each_number_of_connections_has_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "SECONDS", 0.2)
    monkeypatch.setattr(load, "ROUNDS", 1)
    monkeypatch.setattr(paced, "SECONDS", 0.2)
    monkeypatch.setattr(paced, "ROUNDS", 1)
    monkeypatch.setattr(rest, "CONNECTIONS", (2,))
    monkeypatch.setattr(columns, "start", stand_in)
    assert rest.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 * 2 * (2 + 1), "beside FastAPI, and beside MLServer, at full load and at half of it"


class Server:
    """Answers at once, but the first request after some time."""

    asked = 0
    first_seconds = 0.0

    def __init__(self, _: int) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def ask(self, _: load.Exchange) -> object:
        Server.asked += 1
        await SLEEP(Server.first_seconds if Server.asked == 1 else 0.0)
        return {}


def latencies_of(monkeypatch: pytest.MonkeyPatch, first_seconds: float) -> list[float]:
    monkeypatch.setattr(paced, "SECONDS", 1.0)
    monkeypatch.setattr(paced, "Connection", Server)
    Server.asked, Server.first_seconds = 0, first_seconds
    found = asyncio.run(paced.paced(0, 1, [load.Exchange(b"", lambda _: None)], 200.0))
    assert len(found) == Server.asked == 200
    return found


def test_a_request_waits_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops for a while delays every request that was due meanwhile, not only the one that it had."""
    assert sum(each > 0.1 for each in latencies_of(monkeypatch, 0.5)) > 20


def test_a_late_timer_of_the_benchmark_is_no_fault_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: SLEEP(seconds + 0.002))
    latencies = latencies_of(monkeypatch, 0.0)
    assert statistics.median(latencies) < 0.001
