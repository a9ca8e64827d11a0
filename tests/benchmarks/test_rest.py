"""The table of `scorer serve` beside FastAPI, of times that mean nothing, and of answers that are right."""

import io

import pytest
from rich.console import Console

from benchmarks import rest
from scorer.errors import Fatal


def test_a_wrong_answer_fails_the_benchmark() -> None:
    event = {"flight_id": "F1"}
    rest.confirm({"event_id": "F1", "score": 0.5}, event, 0.5)
    for wrong in ({"event_id": "F2", "score": 0.5}, {"event_id": "F1", "score": 0.25}, {"status": 503}):
        with pytest.raises(Fatal, match=r"the event F1 has the score 0\.5"):
            rest.confirm(wrong, event, 0.5)


@pytest.mark.prove  # the first time installs FastAPI and XGBoost into an environment of their own
def test_each_number_of_connections_has_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rest, "SECONDS", 0.2)
    monkeypatch.setattr(rest, "ROUNDS", 1)
    monkeypatch.setattr(rest, "CONNECTIONS", (2,))
    assert rest.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 1
