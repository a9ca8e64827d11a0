"""Bytes of a model changed at random: refused, or scored as the booster itself scores what the bytes say; no crash."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = 40
FILES = ["categorical.ubj", "categorical.json", "dart.ubj", "vector-leaf.ubj", "linear.json"]


@pytest.mark.prove
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_model_is_refused_or_scored_and_never_crashes(file: str, tmp_path: Path) -> None:
    words = [*file.split("."), "11", str(MODELS), str(tmp_path)]
    command = [sys.executable, "-m", "tests.model.damage", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == MODELS
    assert set(found) <= {"refused", "scored", "other columns"}
    assert "refused" in found
    assert "scored" in found
