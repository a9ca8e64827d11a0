"""Loads a model file of any format safely: a bad file ends in a message.

A file of XGBoost is checked, then tried in a child process, before XGBoost reads it here, unless an earlier process
proved the same file. Formats that only our own code reads need no child process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.errors import Misconfigured, Problem
from scorer.model.interface import Booster
from scorer.model.learned.rounds import Rounds
from scorer.model.saved import ubjson
from scorer.model.saved.contents import HEAD, MODEL_ENDINGS, mistaken, recognise
from scorer.model.saved.nodes import Damaged, Unsupported
from scorer.model.saved.soundness import check
from scorer.model.trees.forest import NotCovered
from scorer.model.xgboost.proofs import Proof
from scorer.model.xgboost.proven import ProvenTrees

if TYPE_CHECKING:
    from scorer.model.xgboost.booster import XGBooster

PROBE_LIMIT_S = 120
_ONNX_PROBE = Path(__file__).parent / "onnx/probe.py"
_XGBOOST_PROBE = Path(__file__).parent / "xgboost/probe.py"
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "_M_default_append", "length_error", "cannot create std::vector")


def load_booster(file: Path, rounds: Rounds | None = None) -> Booster:
    """Load a model.

    Args:
        file: its contents decide how it is read, and its ending has to fit them.
        rounds: which rounds to score with.

    Raises:
        Misconfigured: if the file is not a model that can be loaded and scored with.
    """
    if not file.is_file():
        raise Misconfigured([Problem(str(file), "no such file", f"expected a model, {MODEL_ENDINGS}")])
    data = _read(file)
    what, todo = mistaken(data[:HEAD], file.suffix)
    if what:
        raise Misconfigured([_unloadable(file, what, todo)])
    match recognise(data[:HEAD]).kind:
        case "lightgbm" | "treelite" as kind:
            return _load_imported(file, kind, data, rounds)
        case "onnx":
            return _load_onnx(file, data, rounds)
        case _:
            return _load_xgboost(file, data, rounds)


def _load_imported(file: Path, kind: str, data: bytes, rounds: Rounds | None) -> Booster:
    from scorer.model.imported import lightgbm, treelite  # noqa: PLC0415  load kernels that XGBoost does without
    from scorer.model.imported.booster import ImportedTrees  # noqa: PLC0415  the same

    of = lightgbm if kind == "lightgbm" else treelite
    try:
        return ImportedTrees(of.read(data, rounds))
    except (Damaged, Unsupported, NotCovered) as error:
        expected = f"expected a complete model that {of.LIBRARY} wrote: save it again with {of.SAVE}"
        raise Misconfigured([_unloadable(file, str(error), expected)]) from error


def _load_onnx(file: Path, data: bytes, rounds: Rounds | None) -> Booster:
    """Load a file that ONNX Runtime reads here only after a child process has, which takes about 0.5 s of CPU."""
    from scorer.model.onnx.booster import OnnxGraph, require_runtime  # noqa: PLC0415  an extra
    from scorer.model.onnx.graph import check as check_graph  # noqa: PLC0415  the same

    expected = (
        "expected a complete model as ONNX, with standard operators and one float32 input: see docs/model-formats.md"
    )
    try:
        check_graph(data)
        require_runtime()
        _try(file, [sys.executable, "-I", _ONNX_PROBE, file.absolute()], "ONNX Runtime", expected)
        return OnnxGraph(data, rounds)
    except (Damaged, Unsupported) as error:
        raise Misconfigured([_unloadable(file, str(error), expected)]) from error


def _load_xgboost(file: Path, data: bytes, rounds: Rounds | None) -> Booster:
    """Load a file of XGBoost: with what an earlier process proved of it, or else with XGBoost."""
    proof = Proof(data, file.suffix, rounds)
    load = partial(_with_xgboost, file, rounds, proof)
    if proven := proof.read():
        return ProvenTrees(proven, load)
    booster = load()
    if booster.ensemble:
        proof.write(booster, booster.ensemble)
    return booster


def _with_xgboost(file: Path, rounds: Rounds | None, proof: Proof) -> "XGBooster":
    """Load a file that XGBoost reads here only after a child process has, which takes about 30 ms of CPU.

    Raises:
        Misconfigured: if it is not the file of the proof any more, or cannot be loaded.
    """
    import xgboost  # noqa: PLC0415  a third of the time of a start that needs it

    from scorer.model.xgboost.booster import XGBooster, reason  # noqa: PLC0415  the same

    try:
        checked = _check_file(_read(file), file.suffix)
        check_loads(file)
        booster = XGBooster(xgboost.Booster({"nthread": 1}, model_file=file), rounds, checked=checked)
    except Damaged as error:
        raise Misconfigured([_unloadable(file, str(error))]) from error
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Misconfigured([_unloadable(file, reason(str(error)))]) from error
    if not proof.is_of(_read(file)):
        raise Misconfigured([Problem(str(file), "was replaced while it was loaded", "expected a new version instead")])
    return booster


def _read(file: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        Misconfigured: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error


def misnamed(file: Path) -> tuple[str, str]:
    """Describe a file whose ending no model has, and say what to do."""
    with file.open("rb") as stream:
        what, todo = mistaken(stream.read(HEAD), file.suffix)
    return f"'{file.name}': {what}", todo


def check_loads(file: Path, limit_s: float = PROBE_LIMIT_S) -> None:
    """Load a model and score with it in a child process.

    Raises:
        Misconfigured: if the child failed, crashed or took longer than `limit_s` seconds.
    """
    from xgboost.libpath import find_lib_path  # noqa: PLC0415  imports all of XGBoost

    library = find_lib_path()[0]
    _try(file, [sys.executable, "-I", "-S", _XGBOOST_PROBE, library, file.absolute()], "XGBoost", limit_s=limit_s)


def _try(
    file: Path, command: Sequence[str | Path], library: str, expected: str = "", limit_s: float = PROBE_LIMIT_S
) -> None:
    """Run a program that loads a model and scores with it.

    Raises:
        Misconfigured: if it failed, crashed or took longer than `limit_s` seconds.
    """
    try:
        child = subprocess.run(  # noqa: S603  runs this interpreter with our own script
            command,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # each thread takes address space, which the child limits
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Misconfigured(
            [_unloadable(file, f"{library} was still busy with it after {limit_s:g} s", expected)]
        ) from error
    if child.returncode < 0:
        raise Misconfigured([_unloadable(file, f"{library} crashed on it (signal {-child.returncode})", expected)])
    if child.returncode:
        from scorer.model.xgboost.booster import reason  # noqa: PLC0415  imports XGBoost

        why = reason(child.stderr.decode(errors="replace"))
        if any(word in why for word in _OUT_OF_MEMORY):
            why = f"{library} asked for more memory than a model of {file.stat().st_size:,} bytes can need"
        raise Misconfigured([_unloadable(file, why, expected)])


def _check_file(data: bytes, ending: str) -> bool:
    """Check the contents of a file before XGBoost reads it; return whether its form is known.

    XGBoost also reads the forms of earlier versions, and other writers' UBJSON: those are checked after loading.

    Raises:
        Damaged: if the model contradicts itself.
    """
    try:
        document: Any = ubjson.read(data) if ending == ".ubj" else json.loads(data)
        check(document["learner"])
    except Damaged:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError):
        return False
    return True


def _unloadable(file: Path, what: str, todo: str = "") -> Problem:
    import xgboost  # noqa: PLC0415  no start that works needs it for this

    expected = f"expected a complete model that XGBoost {xgboost.__version__} can load: save it again with `save_model`"
    return Problem(str(file), f"is not a usable model: {what}", todo or expected)
