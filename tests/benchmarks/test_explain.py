"""The table of explanations, with a model too small for meaningful times."""

import io

import numba
import pytest
from rich.console import Console

from benchmarks import explain, trees
from scorer.errors import Fatal


def test_each_model_has_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(trees, "MODELS", {"2 trees": (2, {"objective": "binary:logistic", "max_depth": 2})})
    monkeypatch.setattr(explain, "MODELS", ("2 trees",))
    monkeypatch.setattr(explain, "TIMES", 1)
    console = Console(file=io.StringIO())
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        with pytest.raises(Fatal, match="compiler is switched off"):
            explain.run(console)
        return
    assert explain.run(console) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in table[0].split("|")][2:5] == ["pred_contribs", "tables", "ratio"]
    assert "x |" in table[2]
