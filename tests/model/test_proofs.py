"""What was proven of a model is used by later processes, for nothing but the same, and from nobody else."""

import gc
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import weakref
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
import xgboost
from structlog.testing import capture_logs

from scorer import arrays
from scorer.errors import Misconfigured
from scorer.model import Booster, Rounds, load, load_booster
from scorer.model.trees.trees import Ensemble
from scorer.model.xgboost import agreement, proofs
from scorer.model.xgboost.booster import XGBooster
from scorer.model.xgboost.proven import ProvenTrees

from .boosters import KINDS, Rows, grow, is_categorical, predict, rows, same_bits, train

ROOMY = 1 << 30
FACTS = [
    *("library", "numbers", "names", "columns", "objective", "booster_kind", "classes", "feature_types", "trees"),
    *("rounds", "categories", "path", "checks", "slow", "compiled"),
]


START = """
import subprocess, sys
from pathlib import Path
from scorer.model import load_booster
from scorer.model.xgboost import proofs

run, children = subprocess.run, []
subprocess.run = lambda *args, **options: children.append(args) or run(*args, **options)
proofs.cache_folder = lambda _: Path(sys.argv[2])
print(load_booster(Path(sys.argv[1])).path, "xgboost" in sys.modules, len(children))
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that is compiled, also without the compiler: its scores need no `expf`."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    return saved("squarederror", tmp_path / "model.ubj")


def saved(kind: str, file: Path) -> Path:
    train(kind).save_model(file)
    return file


def is_proven(file: Path, rounds: Rounds | None = None) -> bool:
    return isinstance(load_booster(file, rounds), ProvenTrees)


def only(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


@pytest.mark.parametrize(("kind", "ending"), [*((kind, "ubj") for kind in KINDS), ("categorical", "json")])
def test_scores_and_facts_are_the_same_with_a_proof_and_without(kind: str, ending: str, tmp_path: Path) -> None:
    file = saved(kind, tmp_path / f"model.{ending}")
    first, second = load_booster(file), load_booster(file)
    assert isinstance(first, XGBooster)
    assert isinstance(second, ProvenTrees if first.compiled else XGBooster)
    matrix = rows(300, seed=7, categorical=is_categorical(kind))
    expected = predict(train(kind), matrix)
    for size in (0, 1, 129, 300):
        scores = second.score(matrix[:size])
        assert same_bits(scores.values, expected[:size])
        assert not scores.rejected
    for name in FACTS:
        assert getattr(second, name) == getattr(first, name), name
    assert second.concerns([], proven=False) == first.concerns([], proven=False)
    with pytest.raises(ValueError, match="4 columns for a model of 5"):
        second.score(matrix[:, :4])


def test_a_start_with_a_proof_needs_neither_xgboost_nor_a_child_process(file: Path, own_proofs: Path) -> None:
    for said in ("compiled True 1", "compiled False 0"):
        done = subprocess.run(
            [sys.executable, "-c", START, str(file), str(own_proofs)],
            env=os.environ | {"NUMBA_DISABLE_JIT": "0"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == said


def test_another_model_another_ending_and_other_rounds_are_proven_on_their_own(file: Path) -> None:
    assert not is_proven(file)
    assert is_proven(file)
    assert not is_proven(file, 3)
    assert is_proven(file, 3)
    assert load_booster(file, 3).trees == 3
    train("squarederror").save_model(file.with_suffix(".json"))
    assert not is_proven(file.with_suffix(".json"))
    grow("squarederror", 8, {"eta": 0.29}).save_model(file)
    assert not is_proven(file)


def version(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "VERSION").write_text("3.2.1\n")
    spec = ModuleSpec("xgboost", None, origin=str(folder / "__init__.py"))
    patch.setattr(proofs, "find_spec", lambda _: spec)


def source(folder: Path, patch: pytest.MonkeyPatch) -> None:
    model, kernels = Path(proofs.__file__).parents[1], Path(arrays.__file__).parent
    assert proofs._hash_of(model, kernels) == proofs._SOURCES
    shutil.copytree(model, folder / "model")
    with (folder / "model/trees/links.py").open("a") as links:
        links.write("# changed\n")
    patch.setattr(proofs, "_SOURCES", proofs._hash_of(folder / "model", kernels))


def compiler(folder: Path, patch: pytest.MonkeyPatch) -> None:
    model, kernels = Path(proofs.__file__).parents[1], Path(arrays.__file__).parent
    shutil.copytree(kernels, folder / "arrays")
    with (folder / "arrays/kernel.py").open("a") as kernel:
        kernel.write("# changed\n")
    patch.setattr(proofs, "_SOURCES", proofs._hash_of(model, folder / "arrays"))


def processor(_: Path, patch: pytest.MonkeyPatch) -> None:
    code = SimpleNamespace(magic_tuple=lambda: ("x86_64-unknown-linux-gnu", "another", ""))
    patch.setattr(proofs, "cpu_target", SimpleNamespace(target_context=SimpleNamespace(codegen=lambda: code)))


CHANGES: list[Any] = [
    version,
    source,
    compiler,
    processor,
    lambda _, patch: patch.setattr(np, "__version__", "2.9.9"),
    lambda _, patch: patch.setattr(numba, "__version__", "0.99.0"),
    lambda _, patch: patch.setattr(numba.config, "DISABLE_JIT", 1),
    lambda _, patch: patch.setattr(platform, "libc_ver", lambda: ("glibc", "9.9")),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_proof_does_not_outlive_what_it_rests_on(
    change: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_proven(file)
    with monkeypatch.context() as patch:
        change(tmp_path, patch)
        assert not is_proven(file)
    assert is_proven(file), "the first proof is still there"


def test_an_installation_without_sources_proves_nothing(
    file: Path, tmp_path: Path, own_proofs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "_SOURCES", proofs._hash_of(tmp_path / "nowhere"))
    assert load_booster(file).compiled
    assert not own_proofs.exists()


def flipped(at: int) -> Any:
    return lambda entry: entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        *(flipped(at) for at in (0, 31, 32, 500, 3000)),
        *(lambda entry, size=size: entry[:size] for size in (0, 10, 32, 2000, -1)),
        lambda entry: entry + b"\0",
    ],
)
def test_a_damaged_entry_is_not_used_and_is_written_again(damage: Any, file: Path, own_proofs: Path) -> None:
    load_booster(file)
    whole = only(own_proofs).read_bytes()
    only(own_proofs).write_bytes(damage(whole))
    assert not is_proven(file)
    assert only(own_proofs).read_bytes() == whole
    assert is_proven(file)


def test_the_entry_of_another_model_is_not_used(file: Path, own_proofs: Path) -> None:
    load_booster(file)
    entry = only(own_proofs)
    grow("squarederror", 8, {"eta": 0.29}).save_model(file)
    load_booster(file)
    (other,) = set(own_proofs.iterdir()) - {entry}
    shutil.copy(entry, other)
    assert not is_proven(file)


@pytest.mark.parametrize("place", [".", "*.trees"])
def test_an_entry_that_others_could_have_written_is_not_used(place: str, file: Path, own_proofs: Path) -> None:
    load_booster(file)
    entry = only(own_proofs)
    written = entry.stat().st_mtime_ns
    open_to_all = entry if place.startswith("*") else own_proofs
    mode = open_to_all.stat().st_mode
    open_to_all.chmod(0o777)
    with capture_logs() as logs:
        assert not is_proven(file)
    assert {line["reason"] for line in logs} == {f"{open_to_all} can be written by other users"}
    assert entry.stat().st_mtime_ns == written, "nothing is written there either"
    open_to_all.chmod(mode)
    assert is_proven(file)


def test_nothing_is_kept_where_others_can_write_and_nobody_is_warned_of_what_is_not_there(
    file: Path, own_proofs: Path
) -> None:
    own_proofs.mkdir()
    own_proofs.chmod(0o777)
    with capture_logs() as logs:
        assert not is_proven(file)
        assert not is_proven(file)
    assert logs == []
    assert list(own_proofs.iterdir()) == []


def test_only_this_user_can_read_or_write_what_is_kept(file: Path, own_proofs: Path) -> None:
    load_booster(file)
    assert [path.stat().st_mode & 0o777 for path in (own_proofs, only(own_proofs))] == [0o700, 0o600]


def refuse(*_: object, **__: object) -> None:
    raise PermissionError("read-only")


def test_a_folder_that_cannot_be_written_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_booster(file)
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert is_proven(file)
    assert not is_proven(file, 3)
    assert not is_proven(file, 3)


def test_a_user_without_a_place_for_it_proves_at_each_start(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: str) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for place in (homeless, lambda _: file / "below a file"):
        monkeypatch.setattr(proofs, "cache_folder", place)
        assert not is_proven(file)
        assert not is_proven(file)


def test_what_was_not_used_for_the_longest_time_goes(
    file: Path, own_proofs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "MOST", 3)
    entries = list[Path]()
    for rounds in (1, 2, 3):
        load_booster(file, rounds)
        (new,) = set(own_proofs.iterdir()) - set(entries)
        entries.append(new)
        os.utime(new, (rounds, rounds))
    (own_proofs / "left by a killed process").touch()
    os.utime(own_proofs / "left by a killed process", (0, 0))
    assert is_proven(file, 1)
    load_booster(file, 4)
    assert len(list(own_proofs.iterdir())) == 3
    assert [is_proven(file, rounds) for rounds in (1, 3, 4)] == [True] * 3
    assert not is_proven(file, 2)


@pytest.mark.parametrize("error", [0, 1])
def test_only_what_agreed_with_the_booster_is_kept(
    error: int, file: Path, own_proofs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Ensemble):
        def predict(self, matrix: Rows) -> Rows:
            return super().predict(matrix) + np.float32(error)

    monkeypatch.setattr(agreement, "Ensemble", Wrong)
    assert load_booster(file).compiled == (not error)
    assert own_proofs.exists() == (not error)


def test_a_file_that_is_replaced_while_it_is_loaded_is_not_kept_as_what_it_was(
    file: Path, own_proofs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(_: Path) -> None:
        grow("squarederror", 8, {"eta": 0.29}).save_model(file)

    monkeypatch.setattr(load, "check_loads", replace)
    with pytest.raises(Misconfigured, match="was replaced while it was loaded"):
        load_booster(file)
    assert not own_proofs.exists()


def both(kind: str, tmp_path: Path) -> tuple[Booster, Booster]:
    file = saved(kind, tmp_path / "model.ubj")
    load_booster(file)
    return load_booster(file), XGBooster(xgboost.Booster(model_file=file))


@pytest.mark.parametrize("kind", ["logistic", "squarederror", "categorical-dart"])
def test_what_only_the_booster_knows_is_the_same(kind: str, tmp_path: Path) -> None:
    proven, loaded = both(kind, tmp_path)
    matrix = rows(50, categorical=is_categorical(kind))
    assert proven.splits() == loaded.splits()
    assert proven.divisions() == loaded.divisions()
    here, there = (model.weights(matrix, 3) for model in (proven, loaded))
    assert (here is None) == (there is None) == (kind != "logistic")
    assert here is None or there is None or np.array_equal(here, there)
    assert proven.gains().tolist() == loaded.gains().tolist()
    ours, theirs = (model.explainer(ROOMY) for model in (proven, loaded))
    assert ours.path == theirs.path
    assert np.array_equal(ours.contributions(matrix), theirs.contributions(matrix))
    assert same_bits(proven.score(matrix).values, predict(train(kind), matrix))
    assert proven.path == loaded.path


def test_the_booster_is_of_the_same_file_or_there_is_none(file: Path) -> None:
    load_booster(file)
    proven = load_booster(file)
    grow("squarederror", 8, {"eta": 0.29}).save_model(file)
    with pytest.raises(Misconfigured, match="was replaced while it was loaded"):
        proven.gains()
    file.unlink()
    with pytest.raises(Misconfigured, match="cannot be read"):
        proven.explainer(ROOMY)
    assert same_bits(proven.score(rows(5)).values, predict(train("squarederror"), rows(5)))


def test_proven_trees_that_disagree_on_a_row_are_no_longer_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Ensemble):
        def predict(self, matrix: Rows) -> Rows:
            scores = super().predict(matrix)
            scores[matrix[:, 0] == np.float32(0.625)] = 0.5  # which none of the rows that are tried has
            return scores

    monkeypatch.setattr(agreement, "Ensemble", Wrong)
    monkeypatch.setattr(proofs, "Ensemble", Wrong)
    load_booster(file)
    proven, matrix = load_booster(file), rows(3)
    assert isinstance(proven, ProvenTrees)
    proven.confirm(matrix)
    assert proven.compiled
    matrix[1, 0] = 0.625
    proven.confirm(matrix)
    assert proven.path.startswith("booster: the compiled trees disagree with the booster")
    assert proven.slow
    assert same_bits(proven.score(matrix).values, predict(train("squarederror"), matrix))


def test_a_proven_model_is_freed_when_the_last_reference_goes(file: Path) -> None:
    load_booster(file)
    gc.collect()
    gc.disable()
    try:
        model = load_booster(file)
        model.gains()
        alive = weakref.ref(model)
        del model
        assert alive() is None
    finally:
        gc.enable()
