"""The kernels are Python: without the compiler they do the same, so that they can be stepped through."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = [
    "tests/avro/test_framing.py",
    "tests/avro/test_evolution.py::test_compatible_schemas_resolve",
    "tests/avro/test_evolution.py::test_each_schema_id_is_requested_once_and_an_unknown_one_reported",
    "tests/avro/test_encoder.py::test_predictions_equal_those_written_by_fastavro[none]",
]
LONG = [
    "tests/avro/test_decoder.py",
    "tests/avro/test_decoder_properties.py::test_damaged_bytes_have_the_verdict_of_the_reference",
]
RUN = "import numba, pytest, sys; assert numba.config.DISABLE_JIT; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.parametrize(
    "tests", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.prove)]
)
def test_the_kernels_behave_the_same_without_the_compiler(tests: list[str]) -> None:
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
