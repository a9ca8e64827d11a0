"""A replica that reloads large models again and again keeps its memory, and its loop hardly notices."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WARM = 3  # reloads, after which memory is flat


@pytest.mark.prove
def test_memory_is_flat_and_the_loop_goes_on_while_large_models_are_reloaded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.rollout.reloading", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    kept, model = found["kept"][WARM:], found["model"]
    growth = (np.median(kept[-3:]) - np.median(kept[:3])) / (len(kept) - 3)
    assert growth < model / 2, f"MB after each reload: {[round(each) for each in found['kept']]}"
    assert max(found["switches"]) < 1, "seconds that the loop spends on a switch"
