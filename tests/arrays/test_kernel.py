"""Kernels load with any cache. Each test runs a new process, since kernels are compiled at import."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
import pytest
from numba import types
from numpy.typing import NDArray

from scorer.arrays.cache import doubt
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
TUPLES = """
from typing import NamedTuple

from scorer.arrays.kernel import entry, uncached

class Pair(NamedTuple):
    one: int
    other: int

@entry
def less(pair: Pair) -> int:
    return pair.one - pair.other

print(less(Pair(44, 2)), uncached)
"""
NOWHERE = """
import tempfile

def refused(*_, **__):
    raise PermissionError(13, "Permission denied")

tempfile.TemporaryFile = refused  # with which numba finds out whether it may write, and which root always may
"""

READ_ONLY = f"""
{NOWHERE}
from numba.core.caching import IndexDataCacheFile
IndexDataCacheFile._open_for_write = refused
"""


class Bomb:
    """What somebody else would put in place of an index of the cache: code that runs when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.made,)


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


def test_a_missing_cache_is_created_and_used_by_the_next_start(folder: Path) -> None:
    cache = folder / "not/there/yet"
    assert start(folder, cache) == "42 [] 0"
    assert start(folder, cache) == "42 [] 1"


def test_a_kernel_of_tuples_is_loaded_until_its_source_changes(folder: Path) -> None:
    def compiled() -> dict[Path, int]:
        return {code: code.stat().st_mtime_ns for code in cache.rglob("*.nbc")}

    cache, made = folder / "cache", folder / "made.py"
    made.write_text(TUPLES)
    assert start(folder, cache) == "42 []"
    once = compiled()
    assert len(once) == 1
    assert start(folder, cache) == "42 []"
    assert compiled() == once
    made.write_text(TUPLES.replace("pair.one - pair.other", "pair.other - pair.one"))
    assert start(folder, cache) == "-42 []"


def test_every_start_compiles_if_nothing_can_be_written(folder: Path) -> None:
    for _ in range(2):
        assert start(folder, folder / "cache", NOWHERE) == "42 ['twice'] 0"
    assert not list(folder.rglob("*.nb?"))


def test_a_damaged_cache_is_ignored(folder: Path) -> None:
    cache = folder / "cache"
    start(folder, cache)
    for index in cache.rglob("*.nbi"):
        index.write_bytes(b"")
    assert start(folder, cache) == "42 ['twice'] 0"


def test_kernels_are_loaded_from_a_read_only_cache(folder: Path) -> None:
    cache = folder / "cache"
    start(folder, cache)
    assert start(folder, cache, READ_ONLY) == "42 [] 1"
    (folder / "made.py").write_text(MODULE.replace("2 * number", "number + number"))
    assert start(folder, cache, READ_ONLY) == "42 ['twice'] 0"


@pytest.mark.parametrize("place", [".", "..", "*.nbi"])
def test_code_in_a_cache_that_others_can_write_is_not_run(folder: Path, place: str) -> None:
    cache, exploded = folder / "above/cache", folder / "exploded"
    start(folder, cache)
    (index,) = cache.rglob("*.nbi")
    index.write_bytes(pickle.dumps(Bomb(exploded)))
    (open_to_all,) = index.parent.glob(place) if place.startswith("*") else [index.parent / place]
    mode = open_to_all.stat().st_mode
    open_to_all.chmod(0o777)
    assert start(folder, cache) == "42 [] 0", "it is kept beside the source instead"
    assert not exploded.exists()
    open_to_all.chmod(mode)
    start(folder, cache)
    assert exploded.exists(), "the bomb is a dud, and this test proves nothing"


def test_a_cache_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doubt(tmp_path) is None
    if os.geteuid() == 0:  # root alone can give a folder away
        os.chown(tmp_path, 4242, 4242)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert "belongs to user" in str(doubt(tmp_path))


def test_a_cache_in_a_shared_folder_is_trusted_only_if_others_cannot_rename_it(tmp_path: Path) -> None:
    cache = tmp_path / "mine"
    cache.mkdir(0o700)
    tmp_path.chmod(0o1777)
    assert doubt(cache) is None
    tmp_path.chmod(0o777)
    assert doubt(cache) == f"{tmp_path} can be written by other users"


def test_a_symlink_to_a_cache_is_trusted_only_if_both_ends_are(tmp_path: Path) -> None:
    cache, link = tmp_path / "mine", tmp_path / "open" / "link"
    cache.mkdir(0o700)
    link.parent.mkdir()
    link.symlink_to(cache)
    assert doubt(link) is None
    link.parent.chmod(0o777)
    assert doubt(link) == f"{link.parent} can be written by other users"


def test_code_that_does_not_compile_is_still_an_error(folder: Path) -> None:
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


class Shelf(NamedTuple):
    limit: int
    left: Pieces
    right: Pieces


@entry
def balance(shelf: Shelf, label: Bytes) -> int:
    left, right = shelf.left, shelf.right
    difference = int(left.data[0]) - int(right.data[0])
    return shelf.limit + int(left.ends[0]) - int(right.ends[0]) + 100 * difference + len(label)


def test_tuples_in_a_tuple_arrive_in_their_places() -> None:
    left, right = Pieces(np.array([7], np.uint8), np.array([40])), Pieces(np.array([4], np.uint8), np.array([10]))
    label = np.frombuffer(b"four", np.uint8)
    assert balance(Shelf(1000, left, right), label) == 1334
    assert balance(shelf=Shelf(1000, right, left), label=label) == 674


@pytest.mark.parametrize(
    ("ends", "out"),
    [(np.zeros(2, np.int32), np.empty(2)), (np.zeros(2, np.int64), np.empty(4)[::2])],
    ids=["another kind of number", "not contiguous"],
)
def test_an_entry_refuses_arrays_of_other_types(ends: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        weigh(Pieces(np.zeros(2, np.uint8), ends), np.ones(2, np.bool_), 1.0, out)


def test_two_tuples_that_numba_confuses_are_refused() -> None:
    alike = type("Pieces", (Pieces,), {})

    def count(pieces: Pieces) -> int:
        return len(pieces.ends)

    count.__annotations__["pieces"] = alike
    with pytest.raises(TypeError, match="another NamedTuple is a Pieces of the same types"):
        entry(count)
