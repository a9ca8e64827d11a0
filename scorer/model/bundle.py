"""Bundles: a folder of versions, each a model with its plan, and how a version is chosen.

A version appears in its folder whole or not at all (`write_bundle`), has the sha256 of its files, and never changes.
Bundles made by hand may lack the manifest: they load, unverified.
"""

import datetime as dt
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
import xgboost

from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.model.manifest import GOLDEN, MANIFEST, MODELS, PLAN, Manifest, sha256
from scorer.model.rounds import Rounds

LATEST = "latest"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of a model with its plan."""

    name: str  # the model's name: the last part of the path of the folder of versions
    version: str
    folder: Path
    model_file: Path
    plan_file: Path
    golden_file: Path | None = None
    manifest: Manifest | None = None
    verified: bool = False  # its files are those that its manifest lists
    rounds: Rounds | None = None  # which rounds score, according to the manifest


def find_bundle(path: Path, version: str = LATEST) -> Bundle:
    """Find one version of a model, and verify its files against its manifest.

    Args:
        path: the folder of versions; its last part is the model's name.
        version: one version's name, or `latest`.

    Raises:
        Misconfigured: if there is no such bundle or it is broken, with every reason.
    """
    return _open(path, resolve_version(path, version))


def open_bundle(folder: Path) -> Bundle:
    """Open the bundle in a folder, or the latest of the versions in it, and verify its files against its manifest.

    Raises:
        Misconfigured: with every reason why there is no such bundle.
    """
    is_one = _has_model(folder) or (folder / PLAN).exists()
    return _open(folder.parent, folder.name) if is_one else find_bundle(folder)


def resolve_version(path: Path, version: str = LATEST) -> str:
    """Return the name of the chosen version; for `latest`, the last complete one.

    Raises:
        Misconfigured: if there is no such version.
    """
    names = versions(path)
    if version != LATEST:
        if version not in names:
            raise Misconfigured([_unknown(path, version, names)])
        return version
    if not names:
        one = f"this is the folder of one version: use {path.parent}"
        expected = one if _has_model(path) else "add one with `scorer models add`"
        raise Misconfigured([Problem("model.path", f"{path} has no versions in it", expected)])
    complete = [name for name in names if not _unfinished(path / name)]
    newest = complete[-1] if complete else names[-1]
    for name in names[names.index(newest) + 1 :]:
        log.warning("skipping incomplete newer version", version=name, used=newest, folder=str(path))
    return newest


def versions(path: Path) -> list[str]:
    """List the versions in a folder in natural order ("9" before "10"); hidden entries and files are not versions.

    Raises:
        Misconfigured: if the folder cannot be read.
    """
    try:
        names = [entry.name for entry in path.iterdir() if is_version_name(entry.name) and entry.is_dir()]
    except OSError as error:
        expected = "expected a folder of versions, which `scorer models add` makes"
        raise Misconfigured(
            [Problem("model.path", f"cannot read the folder {path}: {error.strerror}", expected)]
        ) from error
    return sorted(names, key=_natural)


def is_version_name(name: str) -> bool:
    """Whether a folder of this name is a version: not hidden, not a path, not the word `latest`."""
    return bool(name) and name != LATEST and name[0] != "." and name.isprintable() and not set(name) & set("/\\")


def next_version(path: Path) -> str:
    """Return the number after the largest that names a version; "1" if there is none."""
    names = versions(path) if path.exists() else []
    return str(1 + max((int(name) for name in names if re.fullmatch("[0-9]+", name)), default=0))


def new_version_problems(path: Path, version: str) -> list[Problem]:
    """Return why a version of this name cannot be added."""
    if not is_version_name(version):
        expected = "expected a plain folder name"
        return [Problem("--version", f"{version!r} cannot be a version's name", expected)]
    if (path / version).exists():
        return [Problem("--version", f"{path / version} exists", "a version never changes: choose another name")]
    return []


def write_bundle(
    path: Path, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None
) -> Bundle:
    """Add a version: write it under a hidden name, sync it to disk, then rename it.

    Args:
        path: the folder of versions, created if needed.
        version: a new name.
        files: the files to copy, by their names in the bundle.
        objective: the model's objective, for the manifest.
        rounds: which of the model's rounds score; None leaves it open.

    Raises:
        Misconfigured: if the version exists, or its name cannot be one.
        OSError: if it cannot be written.
    """
    if problems := new_version_problems(path, version):
        raise Misconfigured(problems)
    path.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=path))
    try:
        for name, source in files.items():
            shutil.copyfile(source, hidden / name)
        created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        sums = {name: sha256(hidden / name) for name in files}
        Manifest(sums, xgboost.__version__, objective, created, rounds).write(hidden / MANIFEST)
        hidden.chmod(0o755)  # mkdtemp lets only the owner in
        for entry in (*hidden.iterdir(), hidden):
            _make_durable(entry)
        hidden.rename(path / version)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    _make_durable(path)
    return _open(path, version)


def _open(path: Path, version: str) -> Bundle:
    folder = path / version
    models = [folder / name for name in MODELS if (folder / name).is_file()]
    problems = []
    if not models:
        problems.append(Problem(str(folder), "has no model", f"expected {' or '.join(MODELS)}"))
    if len(models) > 1:
        problems.append(Problem(str(folder), f"has both {' and '.join(MODELS)}", "remove one of them"))
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
    golden = folder / GOLDEN
    return Bundle(
        path.name,
        version,
        folder,
        models[0],
        folder / PLAN,
        golden if golden.is_file() else None,
        manifest,
        manifest is not None,
        manifest.rounds if manifest else None,
    )


def _has_model(folder: Path) -> bool:
    return any((folder / name).exists() for name in MODELS)


def _unfinished(folder: Path) -> bool:
    """Whether a folder is still being filled: without a manifest, and without a model or a plan."""
    return not (folder / MANIFEST).exists() and not (_has_model(folder) and (folder / PLAN).exists())


def _unknown(path: Path, version: str, names: list[str]) -> Problem:
    there = f"{path} has {', '.join(names)}" if names else f"{path} has no versions"
    return Problem("model.version", f"no version '{version}'{did_you_mean(version, names)}", there)


def _natural(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that orders digits by value. Text and numbers alternate, so only like types are compared."""
    return [int(part) if part.isdigit() else part for part in re.split("([0-9]+)", name)], name


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
