"""Kernels load with any cache. Each test runs a new process, since kernels are compiled at import."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
import pytest
from numba import types
from numpy.typing import NDArray

from scorer.arrays.kernel import Bytes, Ints, entry

Flags: TypeAlias = Annotated[NDArray[np.bool_], types.boolean[::1]]
Floats: TypeAlias = Annotated[NDArray[np.float64], types.float64[::1]]

MODULE = """
from scorer.arrays.kernel import entry, uncached

@entry
def twice(number: int) -> int:
    return 2 * number

print(twice(21), uncached, sum(twice.stats.cache_hits.values()))
"""
NOWHERE = """
import tempfile

def refused(*_, **__):
    raise PermissionError(13, "Permission denied")

tempfile.TemporaryFile = refused  # with which numba finds out whether it may write, and which root always may
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made.py").write_text(MODULE)
    return tmp_path


def start(folder: Path, cache: Path, before: str = "") -> str:
    """Import the module in a new process, and return its output."""
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nimport sys; sys.path.insert(0, {str(folder)!r}); import made"],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "NUMBA_DISABLE_JIT": "0"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_missing_cache_is_made_and_used_by_the_next_start(folder: Path) -> None:
    cache = folder / "not/there/yet"
    assert start(folder, cache) == "42 [] 0"
    assert start(folder, cache) == "42 [] 1"


def test_where_nothing_can_be_written_each_start_compiles(folder: Path) -> None:
    for _ in range(2):
        assert start(folder, folder / "cache", NOWHERE) == "42 ['twice'] 0"
    assert not list(folder.rglob("*.nb?"))


def test_a_damaged_cache_is_done_without(folder: Path) -> None:
    cache = folder / "cache"
    start(folder, cache)
    for index in cache.rglob("*.nbi"):
        index.write_bytes(b"")
    assert start(folder, cache) == "42 ['twice'] 0"


def test_code_that_does_not_compile_is_an_error_all_the_same(folder: Path) -> None:
    (folder / "made.py").write_text(MODULE.replace("2 * number", "number.nowhere"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        start(folder, folder / "cache")
    assert "nowhere" in failed.value.stderr


class Pieces(NamedTuple):
    data: Bytes
    ends: Ints


@entry
def weigh(pieces: Pieces, flags: Flags, factor: float, out: Floats) -> int:
    for row in range(len(flags)):
        out[row] = factor * pieces.ends[row] * pieces.data[row] if flags[row] else 0.0
    return len(flags)


def test_the_types_of_an_entry_are_those_of_its_annotations() -> None:
    out = np.empty(2)
    pieces = Pieces(np.frombuffer(b"\x02\x03", np.uint8), np.array([5, 7]))
    assert weigh(pieces, np.array([True, False]), 2.0, out) == 2
    assert out.tolist() == [20.0, 0.0]


@pytest.mark.parametrize(
    ("ends", "out"),
    [(np.zeros(2, np.int32), np.empty(2)), (np.zeros(2, np.int64), np.empty(4)[::2])],
    ids=["another kind of number", "not contiguous"],
)
def test_an_entry_refuses_arrays_of_other_types(ends: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        weigh(Pieces(np.zeros(2, np.uint8), ends), np.ones(2, np.bool_), 1.0, out)


def test_two_tuples_that_numba_takes_for_one_another_are_refused() -> None:
    alike = type("Pieces", (Pieces,), {})

    def count(pieces: Pieces) -> int:
        return len(pieces.ends)

    count.__annotations__["pieces"] = alike
    with pytest.raises(TypeError, match="another NamedTuple is a Pieces of the same types"):
        entry(count)
