"""The table of the compiled trees, with a model too small for meaningful times."""

import io

import numba
import pytest
from rich.console import Console

from benchmarks import trees
from scorer.errors import Fatal


def test_each_model_has_a_row_and_each_number_of_rows_a_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trees, "MODELS", {"2 trees": (2, {"objective": "binary:logistic", "max_depth": 2})})
    monkeypatch.setattr(trees, "SECONDS", 0)
    console = Console(file=io.StringIO())
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        with pytest.raises(Fatal, match="compiler is switched off"):
            trees.run(console)
        return
    assert trees.run(console) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "2,000 rows" in table[0]
    assert table[2].count("x |") == len(trees.SIZES)
