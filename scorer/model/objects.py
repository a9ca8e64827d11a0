"""Versions of a model in an object store such as S3: a version is complete once its manifest is there.

An object store has no rename, so the manifest is written last, and everything without one is passed over. A version is
downloaded once, into a cache of this machine, under the sha256 of its address and its manifest, which has the sha256 of
each file.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from scorer.errors import Misconfigured, Problem, RepositoryUnavailable
from scorer.model.bundle import Bundle, open_bundle, write_bundle
from scorer.model.manifest import MANIFEST, Manifest
from scorer.model.rounds import Rounds
from scorer.model.versions import (
    LATEST,
    in_order,
    is_version_name,
    next_number,
    taken_name,
    unknown_version,
    wrong_name,
)
from scorer.redaction import foreign

CLAIM = ".adding"  # who makes this object is the one who adds a version
MOST_MANIFEST_BYTES = 1_000_000
PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "max_attempts": 2}}  # S3's client
_ADD = "add a version with `scorer models add`"
_ORIGIN = "origin"  # in the cache, beside a version: where it was downloaded from

log = structlog.get_logger()


class ObjectRepository:
    """The repository at the address of an object store.

    fsspec reaches the store: credentials, the region and the endpoint are those of its own configuration and of the
    provider's variables, such as `AWS_PROFILE` and `AWS_ENDPOINT_URL`.

    Args:
        url: `s3://bucket/models/NAME`, or another scheme that fsspec knows.

    Raises:
        Misconfigured: if nothing here can read such an address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._store, self._path = _store(self._url)

    @property
    def name(self) -> str:
        """The model's name, which is the last part of the address."""
        return self._url.rpartition("/")[2]

    @property
    def location(self) -> str:
        """The address."""
        return self._url

    def versions(self) -> list[str]:
        """List the names of the complete versions in natural order."""
        with self._asking():
            found = [str(file).split("/")[-2] for file in self._store.glob(f"{self._path}/*/{MANIFEST}")]
            if found or self._store.exists(self._path):
                return in_order(found)
        raise Misconfigured([Problem("model.path", f"cannot read {self._url}: nothing is there", _ADD)])

    def resolve(self, version: str) -> str:
        """Return the name of the chosen version."""
        names = self.versions()
        if version != LATEST and version not in names:
            raise Misconfigured([unknown_version(version, names, self.location)])
        if not names:
            raise Misconfigured([Problem("model.path", f"{self._url} has no versions with a {MANIFEST}", _ADD)])
        return names[-1] if version == LATEST else version

    def find(self, version: str = LATEST) -> Bundle:
        """Open the chosen version, downloaded unless it is in the cache.

        While the store does not answer, a version that is named and was downloaded before is opened from the cache. It
        is the right one, since a version never changes; which one is the latest, only the store knows.
        """
        try:
            chosen = self.resolve(version)
            manifest = self._manifest(chosen)
        except RepositoryUnavailable as error:
            if version == LATEST or (folder := self._downloaded(version)) is None:
                raise
            using = "model repository is unavailable, using the downloaded version"
            log.warning(using, version=version, error=str(error))
            return open_bundle(folder)
        return self._fetch(chosen, manifest)

    def _manifest(self, version: str) -> bytes:
        file = f"{self._path}/{version}/{MANIFEST}"
        with self._asking():
            if (size := self._store.size(file)) <= MOST_MANIFEST_BYTES:
                return bytes(self._store.cat_file(file))
        what = f"has {size:,} bytes, which no manifest needs"
        raise Misconfigured([Problem(f"{self._url}/{version}/{MANIFEST}", what, _ADD)])

    def next_version(self) -> str:
        """Return the name of the next version, if its author gives it none."""
        try:
            return next_number(self.versions())
        except Misconfigured:
            return next_number([])

    def new_version_problems(self, version: str) -> list[Problem]:
        """Return why a version of this name cannot be added."""
        if not is_version_name(version):
            return [wrong_name(version)]
        with self._asking():
            taken = self._store.exists(f"{self._path}/{version}/{MANIFEST}")
        return [taken_name(version, self.location)] if taken else []

    def add(self, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None) -> Bundle:
        """Add a version: claim its name, upload its files, and its manifest last."""
        if problems := self.new_version_problems(version):
            raise Misconfigured(problems)
        with tempfile.TemporaryDirectory(prefix="scorer-add-") as folder:
            write_bundle(Path(folder), files, objective, rounds)
            with self._claimed(version), self._asking():
                for name in (*files, MANIFEST):
                    self._store.put_file(f"{folder}/{name}", f"{self._path}/{version}/{name}")
        return self.find(version)

    @contextmanager
    def _claimed(self, version: str) -> Iterator[None]:
        claim = f"{self._path}/{version}/{CLAIM}"
        with self._asking():
            try:
                self._store.pipe_file(claim, b"", mode="create")
            except FileExistsError:
                what = f"{self._url}/{version} exists; a version never changes"
                todo = f"unless somebody is adding it now, an upload was interrupted: remove {version}/{CLAIM}"
                raise Misconfigured([Problem("--version", what, todo)]) from None
        try:
            if problems := self.new_version_problems(version):  # it was added since the first look
                raise Misconfigured(problems)
            yield
        finally:
            with self._asking():
                self._store.rm_file(claim)

    def _fetch(self, version: str, manifest: bytes) -> Bundle:
        """Return a version from the cache, downloaded if it is not there or was changed there."""
        kept = _cache() / hashlib.sha256(f"{self._url}/{version}\n".encode() + manifest).hexdigest()
        folder = kept / self.name / version
        if folder.is_dir():
            with suppress(Misconfigured):
                return open_bundle(folder)
            shutil.rmtree(kept)
        _cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_cache(), prefix=".") as temporary:
            self._download(version, manifest, Path(temporary, "bundle", self.name, version))
            Path(temporary, "bundle", _ORIGIN).write_text(self._url)
            with suppress(OSError):  # another process was first
                Path(temporary, "bundle").rename(kept)
        return open_bundle(folder)

    def _download(self, version: str, manifest: bytes, folder: Path) -> None:
        """Download a version into a new folder, and verify it there.

        Raises:
            Misconfigured: if its files are not those of its manifest.
        """
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_bytes(manifest)
        try:
            with self._asking():
                for name in Manifest.read(folder / MANIFEST).files:
                    with suppress(FileNotFoundError):  # told below, with all the others
                        self._store.get_file(f"{self._path}/{version}/{name}", str(folder / name))
            open_bundle(folder)
        except Misconfigured as error:
            there = f"{self._url}/{version}"
            at = [Problem(each.where.replace(str(folder), there), each.what, each.expected) for each in error.problems]
            raise Misconfigured(at) from error

    def _downloaded(self, version: str) -> Path | None:
        """Return the folder of a version that was downloaded from here, if there is exactly one."""
        folders = [
            folder
            for folder in _cache().glob(f"*/{self.name}/{version}")
            if (folder.parents[1] / _ORIGIN).read_text() == self._url
        ]
        return folders[0] if len(folders) == 1 else None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn the errors of a store into ours."""
        try:
            yield
        except (Misconfigured, FileExistsError):
            raise
        except FileNotFoundError as error:
            raise Misconfigured([Problem("model.path", f"cannot read {self._url}: {_said(error)}", _ADD)]) from error
        except PermissionError as error:
            what = f"may not read {self._url}: {_said(error)}"
            expected = "expected the right to list and read what is below it; `models add` also writes there"
            raise Misconfigured([Problem("model.path", what, expected)]) from error
        except Exception as error:  # each store has errors of its own
            raise RepositoryUnavailable(f"the models at {self._url} cannot be read now: {_said(error)}") from error


def _said(error: Exception) -> str:
    return foreign(str(error) or type(error).__name__)


def _store(url: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it."""
    scheme = urlsplit(url).scheme
    what = f"cannot read models from '{scheme}:'"
    try:
        import fsspec  # noqa: PLC0415  an extra

        options = {"config_kwargs": PATIENCE} if scheme == "s3" else {}
        found: tuple[Any, str] = fsspec.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        reason = "fsspec is missing" if error.name == "fsspec" else _said(error)
        expected = "install scorer[objects], which has what S3 needs, or the package for the store"
        raise Misconfigured([Problem("model.path", f"{what}: {reason}", expected)]) from error
    except ValueError as error:
        expected = "expected a folder of versions, or an address that fsspec knows"
        raise Misconfigured([Problem("model.path", what, expected)]) from error
    return found


def _cache() -> Path:
    """Return the folder of downloaded versions: `$XDG_CACHE_HOME/scorer/models`, or the same under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer" / "models"
