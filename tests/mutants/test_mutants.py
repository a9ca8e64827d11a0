import shutil
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.mutants import MUTANTS
from tests.mutants.mutant import Mutant

pytestmark = pytest.mark.prove
ROOT = Path(__file__).parents[2]
COPIED = ("scorer", "tests", "schemas", "pyproject.toml")
SECONDS = 300
# Each mutant has a process of its own, forked from one that has imported these: that takes longer than most tests.
PACKAGES = (
    "_pytest.assertion.rewrite confluent_kafka.admin hypothesis.stateful numba pydantic pytest redis scipy.linalg "
    "structlog xgboost"
)
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(PACKAGES.split())
# Run as text, so that the process imports no module of this project but those of the copy.
RUN = """
import os, sys
os.chdir(folder)
os.environ["PYTHONPATH"] = folder
sys.path.insert(0, folder)
said = os.open("said.txt", os.O_WRONLY | os.O_CREAT)
os.dup2(said, 1)
os.dup2(said, 2)
import pytest
ended = pytest.main(["-qx", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", test])
sys.stdout.flush()
os._exit(ended)
"""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    copy_to(tmp_path)
    file = tmp_path / mutant.file
    file.write_text(mutant.mutate(file.read_text()))
    ended, said = run_of(tmp_path, mutant.test)
    assert ended == pytest.ExitCode.TESTS_FAILED, f"not seen:\n{said[-4000:]}"


@pytest.mark.parametrize("test", ["tests/kafka/delivery/test_checkpoint.py", "tests/store/redis/test_replicas.py"])
def test_a_copy_without_a_mutant_passes(test: str, tmp_path: Path) -> None:
    copy_to(tmp_path)
    ended, said = run_of(tmp_path, test)
    assert ended == pytest.ExitCode.OK, said[-4000:]


def copy_to(folder: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)


def run_of(folder: Path, test: str) -> tuple[int | None, str]:
    """Run a test of a copy of the project; return pytest's exit code and output."""
    run = FORKS.Process(target=exec, args=(RUN, {"folder": str(folder), "test": test}))
    run.start()
    run.join(SECONDS)
    if run.is_alive():
        run.kill()
        run.join()
    return run.exitcode, (folder / "said.txt").read_text(errors="replace")
