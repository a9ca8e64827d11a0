"""The table of what a canary costs, of times that mean nothing, and what it scores."""

import io
from contextlib import ExitStack

import numpy as np
import pytest
from rich.console import Console

from benchmarks import arms, schemas


def test_every_flight_is_scored_with_and_without_a_canary() -> None:
    with schemas.served() as (serving, flights), ExitStack() as stack:
        arms.add_versions(serving)
        each = (None, arms.SAME, arms.OTHER)
        alone, *split = (stack.enter_context(arms.scoring(serving, flights, 200, canary))() for canary in each)
    assert alone.rows.tolist() == list(range(200))
    for found in split:
        assert found.rows.tolist() == list(range(200))
        assert 20 < np.count_nonzero(found.arm) < 80, "a quarter of the keys"


def test_each_size_has_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(arms, "ROWS", (20, 40))
    assert arms.run(Console(file=io.StringIO()), 0) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 4
