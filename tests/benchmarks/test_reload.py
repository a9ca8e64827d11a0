"""The tables of reloads, of numbers that mean nothing; `tests/rollout/test_reloads.py` reloads models."""

import io

import numpy as np
from rich.console import Console

from benchmarks.reload import Reloads, tables


def test_a_run_is_shown_as_two_tables() -> None:
    kept = np.array([90.0, 100.0, 101.0, 103.0])
    found = Reloads(20_500_000, kept, kept / 100, kept / 50, np.arange(101.0), 2 * np.arange(101.0))
    out = io.StringIO()
    for table in tables(found):
        Console(file=out, width=120).print(table)
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines() if line.startswith("|")]
    assert "| undisturbed | 101 | 50 | 99 | 100 |" in lines
    assert "| while versions are reloaded | 101 | 100 | 198 | 200 |" in lines
    assert "| 4 reloads of 20 MB | first | median | last | most |" in lines
    assert "| memory after it, MB | 90 | 100 | 103 | 103 |" in lines
    assert found.growth == 2
