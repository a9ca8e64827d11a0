"""The table of the other formats, with models too small for meaningful times."""

import io

import pytest
from rich.console import Console

from benchmarks import formats, trees


def test_each_model_has_a_row_and_each_number_of_rows_a_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "TREES", 2)
    monkeypatch.setattr(formats, "TRAINED", 500)
    monkeypatch.setattr(trees, "SECONDS", 0)
    assert formats.run(Console(file=io.StringIO())) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "2,000 rows" in table[0]
    assert [row.count("x |") for row in table[2:]] == [len(formats.SIZES)] * len(formats.MODELS)
