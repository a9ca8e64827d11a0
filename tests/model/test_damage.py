"""Bytes of a model changed at random: refused, or scored as the booster itself scores what the bytes say; no crash."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = 40


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("categorical", "ubj"),
        pytest.param("categorical", "json", marks=pytest.mark.prove),
        pytest.param("dart", "ubj", marks=pytest.mark.prove),
        pytest.param("vector-leaf", "ubj", marks=pytest.mark.prove),
        pytest.param("linear", "json", marks=pytest.mark.prove),
    ],
)
def test_a_damaged_model_is_refused_or_scored_and_never_crashes(kind: str, ending: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.model.damage", kind, ending, "11", str(MODELS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == MODELS
    assert set(found) <= {"refused", "scored", "other columns"}
    assert "refused" in found
    assert "scored" in found
