"""What a start costs, in one round: enough to show that each of them is measured."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import startup
from benchmarks.measure import Measure
from scorer.errors import Fatal


@pytest.mark.prove
def test_each_start_has_a_row_with_its_time(measure: Measure, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    found = startup.spent(measure, [startup.HERE], 1, told.append)
    assert told == ["round 0 of 1", "round 1 of 1"]
    least = {name: of_place[startup.HERE][0] for name, of_place in found.items()}
    assert least["`scorer score` of three events"] < least[startup.FIRST]
    assert least["Python"] < min(least[startup.IMPORTS], least[startup.REPLICA])
    assert least["`scorer --help`"] < least["`scorer score` of three events"]
    Console(width=160).print(startup.table(found))
    assert f"| {startup.REPLICA} " in capsys.readouterr().out


def test_the_cpu_time_of_awaited_children_counts(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    assert startup.until_its_end([sys.executable, "-c", parent], tmp_path, tmp_path / "log", {}) > 0.3


def test_a_command_that_fails_is_reported_with_its_last_output(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="exit code 1:\nthat is wrong"):
        startup.until_its_end([sys.executable, "-c", "exit('that is wrong')"], tmp_path, tmp_path / "log", {})
