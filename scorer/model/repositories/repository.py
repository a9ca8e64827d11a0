"""The interface of a repository: where the versions of a model are kept, and how one of them is opened or added.

A registry is one of schemas, and a store is one of features; models have a repository.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from scorer.errors import Misconfigured, Problem
from scorer.model.bundles.bundle import Bundle, is_bundle, open_bundle
from scorer.model.learned.rounds import Rounds
from scorer.model.repositories.folder import FolderRepository
from scorer.model.repositories.mlflow import SCHEME, MlflowRepository
from scorer.model.repositories.objects import ObjectRepository
from scorer.model.repositories.versions import LATEST


class Repository(Protocol):
    """The versions of one model. A version appears whole or not at all, and never changes."""

    @property
    def name(self) -> str:
        """The model's name, which is the last part of the location."""

    @property
    def location(self) -> str:
        """Where it is, for people; without secrets."""

    def versions(self) -> list[str]:
        """List the names of the versions in natural order ("9" before "10").

        Raises:
            Misconfigured: if the repository cannot be read.
            RepositoryUnavailable: if it does not answer.
        """

    def resolve(self, version: str) -> str:
        """Return the name of the chosen version.

        Args:
            version: one version's name, or `latest` for the last complete one.

        Raises:
            Misconfigured: if there is no such version.
        """

    def find(self, version: str = LATEST) -> Bundle:
        """Open the chosen version, with its files on this machine and verified against its manifest.

        Args:
            version: one version's name, or `latest` for the last complete one.

        Raises:
            Misconfigured: if there is no such bundle or it is broken, with every reason.
        """

    def next_version(self) -> str:
        """Return the number after the largest that names a version; "1" if there is none, or no repository yet."""

    def new_version_problems(self, version: str) -> list[Problem]:
        """Return why a version of this name cannot be added."""

    def add(self, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None) -> Bundle:
        """Add a version, in a new repository if there is none.

        Args:
            version: a new name.
            files: the files to copy, by their names in the bundle.
            objective: the model's objective, for the manifest.
            rounds: which of the model's rounds score; None leaves it open.

        Raises:
            Misconfigured: if the version exists, or its name cannot be one.
            OSError: if it cannot be written; nothing was added.
        """


def repository_at(location: Path | str) -> Repository:
    """Return the repository at a location, without reading it.

    Args:
        location: a folder, `file://` with its path, an address of an object store, as `s3://bucket/models/NAME`, or
            `mlflow:/NAME`.

    Raises:
        Misconfigured: if there is no repository of that kind.
    """
    if isinstance(location, Path):
        return FolderRepository(location)
    parts = urlsplit(location)
    if parts.scheme == SCHEME:
        return MlflowRepository(location)
    if "://" not in location or "::" in location or parts.username or parts.password or not parts.path.strip("/"):
        what = f"cannot read models from '{parts.scheme}:'"
        raise Misconfigured([Problem("model.path", what, _EXPECTED)])
    if parts.scheme == "file":
        return FolderRepository(Path(unquote(parts.path)))
    return ObjectRepository(location)


_EXPECTED = (
    "expected a folder of versions, or an address such as s3://bucket/models/NAME or mlflow:/NAME, without credentials"
)


def bundle_at(location: Path | str) -> Bundle:
    """Open the bundle in a folder, or the latest version of the repository at a location.

    Raises:
        Misconfigured: if there is neither, or the bundle is broken.
    """
    if isinstance(location, Path) and is_bundle(location):
        return open_bundle(location)
    return repository_at(location).find()
