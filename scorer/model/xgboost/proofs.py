"""A cache of proofs on this machine: compiled trees that were found equal to XGBoost's booster, bit for bit.

To compile and compare a model takes XGBoost, a child process and a third of a second; a start that finds an entry needs
none of them. An entry is a digest and an .npz file, which is read without pickle. Its name is a hash of the model file
and of everything else that could change a score, so a proof is never used for anything else. Kernels trust the numbers
in an entry, so it is used only if it is intact, and only from a folder that nobody but this user and root can write.
"""

import hashlib
import io
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import structlog
from numba.core.registry import cpu_target

from scorer.arrays import kernel
from scorer.arrays.cache import doubt
from scorer.model.cached import cache_folder
from scorer.model.interface import Booster
from scorer.model.learned.rounds import Boosted, Rounds
from scorer.model.trees.forest import Columns, Forest
from scorer.model.trees.trees import Ensemble

MOST = 32  # entries that are kept; the least recently used ones are removed
ENDING = ".trees"
DISTRUSTED = "compiled trees are not loaded from a folder that others could have written"
_DIGEST = 32  # bytes
_FACTS = ("names", "columns", "objective", "booster_kind", "classes", "feature_types", "trees", "categories", "checks")

log = structlog.get_logger()


class Proven(NamedTuple):
    """Compiled trees that agreed with the booster, and the attributes of that booster."""

    ensemble: Ensemble
    facts: Mapping[str, Any]  # attributes of `scorer.model.interface.Booster`, by their names


class Proof:
    """The entry of one model.

    Args:
        data: the model's file.
        ending: the ending of its name, which decides how it is read.
        rounds: which rounds score.
    """

    def __init__(self, data: bytes, ending: str, rounds: Rounds | None) -> None:
        self._model = hashlib.sha256(data).digest()
        self._how = (ending, rounds)

    def is_of(self, data: bytes) -> bool:
        """Whether a file is the one that the entry is about."""
        return hashlib.sha256(data).digest() == self._model

    def read(self) -> Proven | None:
        """Return the earlier proof; None if there is none, or if it cannot be trusted."""
        with suppress(OSError, RuntimeError):
            file = self._file()
            if not file.exists():
                return None
            if reason := doubt(file.parent, {ENDING}):
                log.warning(DISTRUSTED, reason=reason)
                return None
            entry = file.read_bytes()
            if entry[:_DIGEST] == _digest(file.name, entry[_DIGEST:]):
                with suppress(OSError):
                    os.utime(file)  # marks it as recently used
                return _unpacked(entry[_DIGEST:])
        return None

    def write(self, booster: Booster, ensemble: Ensemble) -> None:
        """Keep compiled trees that agreed with a booster, if the folder can be written and is trusted."""
        with suppress(OSError, RuntimeError):
            file = self._file()
            file.parent.mkdir(0o700, parents=True, exist_ok=True)
            if doubt(file.parent, {ENDING}) is None:
                packed = _packed(booster, ensemble)
                descriptor, part = tempfile.mkstemp(dir=file.parent)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(_digest(file.name, packed) + packed)
                Path(part).replace(file)
                _prune(file.parent)

    def _file(self) -> Path:
        """Return the entry's file.

        Raises:
            OSError: something that the proof depends on cannot be read.
            RuntimeError: this user has no cache folder.
        """
        name = hashlib.sha256(repr((self._model, self._how, _basis())).encode()).hexdigest()
        return cache_folder("trees") / f"{name}{ENDING}"


def _basis() -> tuple[object, ...]:
    """Return everything besides the model that a proof depends on: a change in it could change scores.

    Raises:
        OSError: the sources of this program or XGBoost's version cannot be read.
    """
    if not _SOURCES:
        raise FileNotFoundError("without sources, nothing tells this program from another")
    xgboost = find_spec("xgboost")  # which is not imported
    version = Path(xgboost.origin if xgboost and xgboost.origin else "").with_name("VERSION").read_bytes()
    config: Any = numba.config
    code: Any = cpu_target.target_context.codegen()
    tools = _SOURCES, np.__version__, numba.__version__, config.DISABLE_JIT
    machine = code.magic_tuple(), platform.libc_ver()  # as numba keeps kernels apart; libc has `expf`
    return version, tools, machine


def _hash_of(*folders: Path) -> str:
    """Return a hash of the sources in folders and in those below; empty if there are none."""
    with suppress(OSError):
        sources = [file.read_bytes() for folder in folders for file in sorted(folder.rglob("*.py"))]
        return hashlib.sha256(b"".join(sources)).hexdigest() if sources else ""
    return ""


# Hashed at import: an upgrade may replace the files while this process still runs the old code.
_SOURCES = _hash_of(Path(__file__).parents[1], Path(kernel.__file__).parent)


def _digest(name: str, packed: bytes) -> bytes:
    return hashlib.sha256(name.encode() + packed).digest()


def _packed(booster: Booster, ensemble: Ensemble) -> bytes:
    facts = {name: getattr(booster, name) for name in _FACTS} | {"rounds": astuple(booster.rounds)}
    arrays = ensemble.forest._asdict() | {"base": ensemble.base}
    stream = io.BytesIO()
    np.savez(stream, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
    return stream.getvalue()


def _unpacked(packed: bytes) -> Proven:
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        facts = {name: _tupled(value) for name, value in json.loads(stored["facts"].tobytes()).items()}
        arrays = {name: stored[name] for name in Forest._fields}
        forest = Forest(**arrays | {"columns": Columns(*arrays["columns"].tolist())})
        facts["rounds"] = Boosted(*facts["rounds"])
        return Proven(Ensemble(forest, stored["base"], facts["objective"]), facts)


def _tupled(value: Any) -> Any:  # noqa: ANN401  JSON
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _prune(folder: Path) -> None:
    """Remove the least recently used entries, and the files of interrupted writers."""
    for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)[MOST:]:
        old.unlink(missing_ok=True)
