"""Versions of a model in an object store such as S3: a version is complete once its manifest is there.

An object store has no rename, so the manifest is written last, and everything without one is ignored. A version is
downloaded once, into a cache of this machine, under the sha256 of its address and its manifest, which has the sha256 of
each file.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog

from scorer.errors import Misconfigured, Problem, RepositoryUnavailable
from scorer.model.bundles.bundle import Bundle, write_bundle
from scorer.model.bundles.manifest import MANIFEST, Manifest
from scorer.model.learned.rounds import Rounds
from scorer.model.repositories.downloads import USING_DOWNLOAD, Downloads
from scorer.model.repositories.stores import ADD, asking, store_at
from scorer.model.repositories.versions import (
    LATEST,
    in_order,
    is_version_name,
    next_number,
    taken_name,
    unknown_version,
    wrong_name,
)

CLAIM = ".adding"  # who makes this object is the one who adds a version
MOST_MANIFEST_BYTES = 1_000_000

log = structlog.get_logger()


class ObjectRepository:
    """The repository at the address of an object store.

    Args:
        url: `s3://bucket/models/NAME`, or another scheme that fsspec knows.

    Raises:
        Misconfigured: if nothing here can read such an address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._store, self._path = store_at(self._url)
        self._downloads = Downloads(self._url, self.name)

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
        with asking(self._url):
            found = [str(file).split("/")[-2] for file in self._store.glob(f"{self._path}/*/{MANIFEST}")]
            if found or self._store.exists(self._path):
                return in_order(found)
        raise Misconfigured([Problem("model.path", f"cannot read {self._url}: nothing is there", ADD)])

    def resolve(self, version: str) -> str:
        """Return the name of the chosen version."""
        names = self.versions()
        if version != LATEST and version not in names:
            raise Misconfigured([unknown_version(version, names, self.location)])
        if not names:
            raise Misconfigured([Problem("model.path", f"{self._url} has no versions with a {MANIFEST}", ADD)])
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
            if version == LATEST or (bundle := self._downloads.known(version)) is None:
                raise
            log.warning(USING_DOWNLOAD, version=version, error=str(error))
            return bundle
        there = f"{self._url}/{chosen}"
        return self._downloads.bundle(chosen, manifest, there, partial(self._download, chosen, manifest))

    def _manifest(self, version: str) -> bytes:
        file = f"{self._path}/{version}/{MANIFEST}"
        with asking(self._url):
            if (size := self._store.size(file)) <= MOST_MANIFEST_BYTES:
                return bytes(self._store.cat_file(file))
        what = f"has {size:,} bytes, which no manifest needs"
        raise Misconfigured([Problem(f"{self._url}/{version}/{MANIFEST}", what, ADD)])

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
        with asking(self._url):
            taken = self._store.exists(f"{self._path}/{version}/{MANIFEST}")
        return [taken_name(version, self.location)] if taken else []

    def add(self, version: str, files: Mapping[str, Path], objective: str, rounds: Rounds | None = None) -> Bundle:
        """Add a version: claim its name, upload its files, and its manifest last."""
        if problems := self.new_version_problems(version):
            raise Misconfigured(problems)
        with tempfile.TemporaryDirectory(prefix="scorer-add-") as folder:
            write_bundle(Path(folder), files, objective, rounds)
            with self._claimed(version), asking(self._url):
                for name in (*files, MANIFEST):
                    self._store.put_file(f"{folder}/{name}", f"{self._path}/{version}/{name}")
        return self.find(version)

    @contextmanager
    def _claimed(self, version: str) -> Iterator[None]:
        claim = f"{self._path}/{version}/{CLAIM}"
        with asking(self._url):
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
            with asking(self._url):
                self._store.rm_file(claim)

    def _download(self, version: str, manifest: bytes, folder: Path) -> None:
        """Download the files of a version into an empty folder.

        Raises:
            Misconfigured: its manifest is none.
        """
        (folder / MANIFEST).write_bytes(manifest)
        with asking(self._url):
            for name in Manifest.read(folder / MANIFEST).files:
                with suppress(FileNotFoundError):  # told with all the other problems, when the bundle is opened
                    self._store.get_file(f"{self._path}/{version}/{name}", str(folder / name))
