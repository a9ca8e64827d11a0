"""The kernels are Python: without the compiler they do the same, so that they can be stepped through."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = [
    "tests/avro/test_framing.py",
    "tests/avro/test_evolution.py::test_what_resolves",
    "tests/avro/test_evolution.py::test_each_id_is_asked_for_once_and_an_unknown_one_is_told",
    "tests/avro/test_encoder.py::test_predictions_are_what_fastavro_writes[none]",
]
LONG = [
    "tests/avro/test_decoder.py",
    "tests/avro/test_decoder_properties.py::test_whatever_becomes_of_the_bytes_the_verdict_is_the_references",
]
RUN = "import numba, pytest, sys; assert numba.config.DISABLE_JIT; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.parametrize(
    "tests", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.prove)]
)
def test_the_kernels_do_the_same_without_the_compiler(tests: list[str]) -> None:
    overflow = ("-W", "error::RuntimeWarning")  # where a compiled kernel would go round in silence
    done = subprocess.run(
        [sys.executable, "-c", RUN, "-q", "-p", "no:cacheprovider", *overflow, *tests],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
