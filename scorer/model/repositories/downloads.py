"""Downloads versions to this machine. A version appears whole or not at all; a changed one is downloaded again."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.model.bundles.bundle import Bundle, open_bundle
from scorer.model.bundles.manifest import MANIFEST, Manifest, sha256
from scorer.model.cached import cache_folder

USING_DOWNLOAD = "model repository is unavailable, using the downloaded version"
_MODELS = "models"  # in the cache of this machine
_ORIGIN = "origin"  # beside a version: where it was downloaded from
_SUMS = ".sums.json"  # in a version without a manifest: the sha256 of each file as it was downloaded


class Downloads:
    """The downloaded versions of one model.

    Args:
        origin: the address of its repository.
        name: the model's name.
    """

    def __init__(self, origin: str, name: str) -> None:
        self._origin, self._name = origin, name

    def bundle(self, version: str, identity: bytes, there: str, download: Callable[[Path], None]) -> Bundle:
        """Open a version, downloaded if it is not here or was changed here.

        Args:
            version: its name.
            identity: identifies its content, such as its manifest.
            there: its address, for errors about the files.
            download: writes its files to an empty folder.

        Raises:
            Misconfigured: its files are not a bundle, or not those of its manifest.
        """
        kept = cache_folder(_MODELS) / hashlib.sha256(f"{self._origin}/{version}\n".encode() + identity).hexdigest()
        folder = kept / self._name / version
        if folder.is_dir():
            with suppress(Misconfigured):
                return _opened(folder)
            shutil.rmtree(kept)
        cache_folder(_MODELS).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder(_MODELS), prefix=".") as temporary:
            self._download(Path(temporary, "bundle", self._name, version), there, download)
            Path(temporary, "bundle", _ORIGIN).write_text(self._origin)
            with suppress(OSError):  # another process was first
                Path(temporary, "bundle").rename(kept)
        return _opened(folder)

    def known(self, version: str) -> Bundle | None:
        """Open a version that was downloaded from here, if there is exactly one.

        Raises:
            Misconfigured: it was changed here.
        """
        folders = [
            folder
            for folder in cache_folder(_MODELS).glob(f"*/{escape(self._name)}/{escape(version)}")
            if (folder.parents[1] / _ORIGIN).read_text() == self._origin
        ]
        return _opened(folders[0]) if len(folders) == 1 else None

    @staticmethod
    def _download(folder: Path, there: str, download: Callable[[Path], None]) -> None:
        folder.mkdir(parents=True)
        try:
            download(folder)
            if (folder / MANIFEST).exists():
                open_bundle(folder)
        except Misconfigured as error:
            at = [Problem(each.where.replace(str(folder), there), each.what, each.expected) for each in error.problems]
            raise Misconfigured(at) from error
        if not (folder / MANIFEST).exists():
            sums = {file.name: sha256(file) for file in folder.iterdir()}
            Manifest(sums).write(folder / _SUMS)


def _opened(folder: Path) -> Bundle:
    if (folder / _SUMS).exists() and (problems := Manifest.read(folder / _SUMS).problems(folder)):
        raise Misconfigured(problems)
    return open_bundle(folder)
