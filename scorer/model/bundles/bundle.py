"""A bundle: one version of a model with its plan, as the files of a folder.

Its manifest has the sha256 of its files. Bundles made by hand may lack the manifest: they load, unverified.
"""

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from scorer.errors import Misconfigured, Problem
from scorer.model.bundles.manifest import BASELINE, GOLDEN, MANIFEST, MODELS, PLAN, Manifest, sha256
from scorer.model.learned.rounds import Rounds
from scorer.model.saved.contents import HEAD, XGBOOST, recognise

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of a model with its plan."""

    name: str  # the model's name
    version: str
    folder: Path
    model_file: Path
    plan_file: Path
    golden_file: Path | None = None
    manifest: Manifest | None = None
    rounds: Rounds | None = None  # which rounds score, according to the manifest
    baseline_file: Path | None = None  # what the columns and scores looked like when it was trained

    @property
    def verified(self) -> bool:
        """Whether its files are those that its manifest lists."""
        return self.manifest is not None


def open_bundle(folder: Path) -> Bundle:
    """Open the bundle in a folder, and verify its files against its manifest.

    Args:
        folder: the last part of its path is the version, and the one before it is the model's name.

    Raises:
        Misconfigured: if the bundle is broken, with every reason.
    """
    models = [folder / name for name in MODELS if (folder / name).is_file()]
    problems = []
    if not models:
        problems.append(Problem(str(folder), "has no model", f"expected {', '.join(MODELS[:-1])} or {MODELS[-1]}"))
    if len(models) > 1:
        problems.append(Problem(str(folder), f"has {' and '.join(each.name for each in models)}", "keep one of them"))
    if not (folder / PLAN).is_file():
        problems.append(Problem(str(folder), f"has no {PLAN}", "expected the sources of the model's columns"))
    manifest = None
    if (folder / MANIFEST).exists():
        try:
            manifest = Manifest.read(folder / MANIFEST)
            problems += manifest.problems(folder)
        except Misconfigured as error:
            problems += error.problems
    if problems:
        raise Misconfigured(problems)
    if manifest is None:
        log.warning("model is unverified: its folder has no manifest.json", folder=str(folder))
    golden, baseline = folder / GOLDEN, folder / BASELINE
    return Bundle(
        name=folder.parent.name,
        version=folder.name,
        folder=folder,
        model_file=models[0],
        plan_file=folder / PLAN,
        golden_file=golden if golden.is_file() else None,
        manifest=manifest,
        rounds=manifest.rounds if manifest else None,
        baseline_file=baseline if baseline.is_file() else None,
    )


def write_bundle(folder: Path, files: Mapping[str, Path], objective: str, rounds: Rounds | None) -> None:
    """Write a bundle with its manifest into an empty folder.

    Args:
        folder: where the bundle is put together; nobody else knows of it yet.
        files: the files to copy, by their names in the bundle.
        objective: the model's objective, for the manifest.
        rounds: which of the model's rounds score; None leaves it open.

    Raises:
        OSError: if it cannot be written.
    """
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    sums = {name: sha256(folder / name) for name in files}
    of_xgboost = any(_is_of_xgboost(folder / name) for name in files if name in MODELS)
    Manifest(sums, _version_of_xgboost() if of_xgboost else None, objective, created, rounds).write(folder / MANIFEST)


def _is_of_xgboost(model: Path) -> bool:
    with model.open("rb") as stream:
        return recognise(stream.read(HEAD)).kind in XGBOOST


def _version_of_xgboost() -> str:
    import xgboost  # noqa: PLC0415  takes longer to import than most commands need

    return str(xgboost.__version__)


def has_model(folder: Path) -> bool:
    """Whether a folder has a model in it, as that of a bundle does."""
    return any((folder / name).exists() for name in MODELS)


def is_bundle(folder: Path) -> bool:
    """Whether a folder is that of a bundle, however incomplete, rather than one of versions."""
    return has_model(folder) or (folder / PLAN).exists()


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is still being filled: without a manifest, and without a model or a plan."""
    return not (folder / MANIFEST).exists() and not (has_model(folder) and (folder / PLAN).exists())
