"""The files of one model: behind the MLflow server, or in the object store where MLflow's clients write themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from scorer.errors import Misconfigured, Problem
from scorer.model.repositories.mlflow.http import Absent, Server
from scorer.model.repositories.stores import asking, store_at

PROXIED = "mlflow-artifacts"
EXTRA = "extra_files"  # the folder where `log_model(..., extra_files=[...])` puts them


class Artifacts(Protocol):
    """The files in the folder of a model, by their paths in it."""

    @property
    def location(self) -> str:
        """The address of the folder."""

    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes.

        Raises:
            Misconfigured: it may not be read.
            RepositoryUnavailable: it cannot be read now. So do the methods below.
        """

    def download(self, name: str, file: Path) -> None:
        """Write a file of the folder to a file here."""

    def upload(self, name: str, file: Path) -> None:
        """Write a file here to a file of the folder."""


def artifacts_at(server: Server, uri: str) -> Artifacts:
    """Return the files at the address that the registry gives.

    Raises:
        Misconfigured: nothing here can read such an address.
    """
    parts = urlsplit(uri)
    if parts.scheme == PROXIED:
        if parts.hostname and parts.hostname != urlsplit(server.url).hostname:
            what = f"its files are behind another server, {parts.hostname}"
            raise Misconfigured([Problem("model.path", what, f"expected {server.url}")])
        return _Proxied(server, uri, unquote(parts.path).strip("/"))
    return _Stored(uri if parts.scheme else Path(uri).as_uri())


class _Proxied:
    """Files that the server stores for its clients."""

    def __init__(self, server: Server, location: str, folder: str) -> None:
        self._server, self.location, self._folder = server, location, folder

    def sizes(self) -> dict[str, int]:
        with self._present():
            found = self._server.files(self._folder)
            return found | {
                f"{EXTRA}/{name}": size for name, size in self._server.files(f"{self._folder}/{EXTRA}").items()
            }

    def download(self, name: str, file: Path) -> None:
        with self._present():
            self._server.download(f"{self._folder}/{name}", file)

    def upload(self, name: str, file: Path) -> None:
        with self._present():
            self._server.upload(f"{self._folder}/{name}", file.read_bytes())

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except Absent as absent:
            raise Misconfigured([Problem("model.path", f"cannot read {self.location}: {absent}")]) from None


class _Stored:
    """Files in an object store or a folder, which MLflow's clients read and write themselves."""

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._store, self._folder = store_at(self.location)

    def sizes(self) -> dict[str, int]:
        with asking(self.location):
            found: dict[str, Any] = self._store.find(self._folder, maxdepth=2, detail=True)
        return {path.removeprefix(f"{self._folder}/"): int(each["size"]) for path, each in found.items()}

    def download(self, name: str, file: Path) -> None:
        with asking(self.location):
            self._store.get_file(f"{self._folder}/{name}", str(file))

    def upload(self, name: str, file: Path) -> None:
        with asking(self.location):
            self._store.put_file(str(file), f"{self._folder}/{name}")
