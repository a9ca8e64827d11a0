"""The measurement of the workload's stages, in a run too short for meaningful times."""

import io

import pytest
from rich.console import Console

from benchmarks import stages
from scorer.bench.budget import ROWS


@pytest.mark.prove
def test_each_replica_has_a_column_and_each_stage_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    told = io.StringIO()
    assert stages.run([("hash", 500), ("packed", 2000)], events=3000, rounds=1, console=Console(file=told)) == 0
    rows = [line.strip("|").split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells[0] == ["CPU us/event (wall)", "hash, 500", "packed, 2,000"]
    assert [row[0] for row in cells[2:]] == [*ROWS, "all"]
    assert "round 1: packed, 2,000 a batch" in told.getvalue()
