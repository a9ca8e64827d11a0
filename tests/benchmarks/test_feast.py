"""The table of Feast's look-ups, of times that mean nothing, and of the same values on both sides."""

import io

import numpy as np
import pytest
from rich.console import Console

from benchmarks import feast
from scorer.batch import Found
from scorer.errors import Fatal


def test_differing_values_fail_the_benchmark() -> None:
    values = np.array([[1.0], [2.0]])
    absent, lookup = np.zeros((2, 1), np.bool_), np.zeros(2, np.uint8)
    found = Found("plane", np.array([1, 0], np.int32), values, absent, lookup)
    feast.confirm([found], {"a:b": [2.0, 1.0]}, ["a:b"])
    with pytest.raises(Fatal, match="different values"):
        feast.confirm([found], {"a:b": [1.0, 2.0]}, ["a:b"])


@pytest.mark.prove  # the first time installs 450 MB
def test_each_case_has_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(feast, "SECONDS", 0)
    monkeypatch.setattr(feast, "LEAST", 1)
    monkeypatch.setattr(feast, "ROWS", (7,))
    assert feast.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(feast.CASES)
