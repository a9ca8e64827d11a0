import shutil
from pathlib import Path

import pytest

from scorer.sandbox import Kafka
from tests.conftest import BORROWED
from tests.forks import forked
from tests.mutants import MUTANTS
from tests.mutants.mutant import Mutant

pytestmark = pytest.mark.prove
ROOT = Path(__file__).parents[2]
COPIED = ("scorer", "tests", "schemas", "pyproject.toml")
SECONDS = 300
# Run as text, so that the process imports no module of this project but those of the copy.
RUN = """
import os, sys
os.chdir(folder)
os.environ |= {"PYTHONPATH": folder, borrowed: port}
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
def test_a_mutant_is_killed(mutant: Mutant, kafka: Kafka, tmp_path: Path) -> None:
    copy_to(tmp_path)
    file = tmp_path / mutant.file
    file.write_text(mutant.mutate(file.read_text()))
    ended, said = run_of(tmp_path, mutant.test, kafka)
    assert ended == pytest.ExitCode.TESTS_FAILED, f"not seen:\n{said[-4000:]}"


@pytest.mark.parametrize(
    "test",
    [
        "tests/kafka/consume/test_source.py::test_a_batch_is_bounded_in_records_and_bytes_and_no_record_is_skipped",
        "tests/store/redis/test_replicas.py",
    ],
)
def test_a_copy_without_a_mutant_passes(test: str, kafka: Kafka, tmp_path: Path) -> None:
    copy_to(tmp_path)
    ended, said = run_of(tmp_path, test, kafka)
    assert ended == pytest.ExitCode.OK, said[-4000:]


def copy_to(folder: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)


def run_of(folder: Path, test: str, kafka: Kafka) -> tuple[int | None, str]:
    """Run a test of a copy of the project on a broker that runs; return pytest's exit code and output."""
    port = kafka.bootstrap.rpartition(":")[2]
    run = forked(RUN, {"folder": str(folder), "test": test, "borrowed": BORROWED, "port": port})
    run.join(SECONDS)
    if run.is_alive():
        run.kill()
        run.join()
    return run.exitcode, (folder / "said.txt").read_text(errors="replace")
