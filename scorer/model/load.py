"""Loads a model file safely: a bad file ends in a message, since it is first checked and tried in a child process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import xgboost
from xgboost.libpath import find_lib_path

from scorer.errors import Misconfigured, Problem
from scorer.model import ubjson
from scorer.model.booster import Booster, reason
from scorer.model.contents import HEAD, mistaken
from scorer.model.nodes import Damaged
from scorer.model.rounds import Rounds
from scorer.model.soundness import check

PROBE_LIMIT_S = 120
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "_M_default_append", "length_error", "cannot create std::vector")


def load_booster(file: Path, rounds: Rounds | None = None) -> Booster:
    """Load a model.

    XGBoost reads the file in this process only after the file was recognised, checked for contradictions, and loaded by
    a child process, which takes about 30 ms of CPU.

    Args:
        file: model.ubj or model.json; the ending decides how it is read.
        rounds: which rounds to score with.

    Raises:
        Misconfigured: if the file is not a model that can be loaded and scored with.
    """
    if not file.is_file():
        raise Misconfigured([Problem(str(file), "no such file", "expected an XGBoost model, .ubj or .json")])
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Misconfigured([Problem(str(file), f"cannot be read: {error.strerror}")]) from error
    what, todo = mistaken(data[:HEAD], file.suffix)
    if what:
        raise Misconfigured([_unloadable(file, what, todo)])
    try:
        checked = _check_file(data, file.suffix)
        del data
        check_loads(file)
        return Booster(xgboost.Booster({"nthread": 1}, model_file=file), rounds, checked=checked)
    except Damaged as error:
        raise Misconfigured([_unloadable(file, str(error))]) from error
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Misconfigured([_unloadable(file, reason(str(error)))]) from error


def misnamed(file: Path) -> tuple[str, str]:
    """Return what a file with an ending other than .ubj or .json is, and what to do."""
    with file.open("rb") as stream:
        what, todo = mistaken(stream.read(HEAD), file.suffix)
    return f"'{file.name}': {what}", todo


def check_loads(file: Path, limit_s: float = PROBE_LIMIT_S) -> None:
    """Load a model and score with it in a child process.

    Raises:
        Misconfigured: if the child failed, crashed or took longer than `limit_s` seconds.
    """
    script, library = Path(__file__).with_name("probe.py"), find_lib_path()[0]
    try:
        child = subprocess.run(  # noqa: S603  runs this interpreter with our own script
            [sys.executable, "-I", "-S", script, library, file.absolute()],
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # each thread takes address space, which the child limits
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Misconfigured([_unloadable(file, f"XGBoost was still busy with it after {limit_s:g} s")]) from error
    if child.returncode < 0:
        raise Misconfigured([_unloadable(file, f"XGBoost crashed on it (signal {-child.returncode})")])
    if child.returncode:
        why = reason(child.stderr.decode(errors="replace"))
        if any(word in why for word in _OUT_OF_MEMORY):
            why = f"XGBoost asked for more memory than a model of {file.stat().st_size:,} bytes can need"
        raise Misconfigured([_unloadable(file, why)])


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
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return False
    return True


def _unloadable(file: Path, what: str, todo: str = "") -> Problem:
    expected = f"expected a complete model that XGBoost {xgboost.__version__} can load: save it again with `save_model`"
    return Problem(str(file), f"is not a usable model: {what}", todo or expected)
