"""Versions of a model in a folder: each is a folder in it, and appears there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import structlog

from scorer.errors import Misconfigured, Problem
from scorer.model.bundles.bundle import Bundle, has_model, is_unfinished, open_bundle, write_bundle
from scorer.model.learned.rounds import Rounds
from scorer.model.repositories.versions import (
    LATEST,
    in_order,
    is_version_name,
    next_number,
    taken_name,
    unknown_version,
    wrong_name,
)

log = structlog.get_logger()


class FolderRepository:
    """The repository in a folder, which is made with the first version. Hidden entries and files are not versions."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The model's name, which is the last part of the path."""
        return self._path.name

    @property
    def location(self) -> str:
        """The path."""
        return str(self._path)

    def versions(self) -> list[str]:
        """List the names of the versions in natural order."""
        try:
            return in_order(entry.name for entry in self._path.iterdir() if entry.is_dir())
        except OSError as error:
            what = f"cannot read the folder {self._path}: {error.strerror}"
            expected = "expected a folder of versions, which `scorer models add` makes"
            raise Misconfigured([Problem("model.path", what, expected)]) from error

    def resolve(self, version: str) -> str:
        """Return the name of the chosen version; for `latest`, the last one that is not still being copied."""
        names = self.versions()
        if version != LATEST:
            if version not in names:
                raise Misconfigured([unknown_version(version, names, self.location)])
            return version
        if not names:
            one = f"this is the folder of one version: use {self._path.parent}"
            expected = one if has_model(self._path) else "add one with `scorer models add`"
            raise Misconfigured([Problem("model.path", f"{self._path} has no versions in it", expected)])
        complete = [name for name in names if not is_unfinished(self._path / name)]
        newest = complete[-1] if complete else names[-1]
        for name in names[names.index(newest) + 1 :]:
            log.warning("skipping incomplete newer version", version=name, used=newest, folder=self.location)
        return newest

    def find(self, version: str = LATEST) -> Bundle:
        """Open the chosen version, and verify its files against its manifest."""
        return open_bundle(self._path / self.resolve(version))

    def next_version(self) -> str:
        """Return the name of the next version, if its author gives it none."""
        return next_number(self.versions() if self._path.exists() else [])

    def new_version_problems(self, version: str) -> list[Problem]:
        """Return why a version of this name cannot be added."""
        if not is_version_name(version):
            return [wrong_name(version)]
        return [taken_name(version, self.location)] if (self._path / version).exists() else []

    def add(self, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None) -> Bundle:
        """Add a version: write it under a hidden name, sync it to disk, then rename it."""
        folder = self._path / version
        if problems := self.new_version_problems(version):
            raise Misconfigured(problems)
        self._path.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=self._path))
        try:
            write_bundle(hidden, files, objective, rounds)
            hidden.chmod(0o755)  # mkdtemp lets only the owner in
            for entry in (*hidden.iterdir(), hidden):
                _make_durable(entry)
            hidden.rename(folder)
        except OSError:
            if folder.exists():  # somebody else has added this version in the meantime
                raise Misconfigured([taken_name(version, self.location)]) from None
            raise
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        _make_durable(self._path)
        return open_bundle(folder)


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
