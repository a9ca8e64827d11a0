"""A server with the interface of S3: moto, as a child process, with its packages in a folder of their own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import s3fs

from scorer.sandbox.server import HOST, Server
from tests.once import packages

LOCK = Path(__file__).with_name("moto.lock")
BUCKET = "models"
LOGIN = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "s3cret-of-tests", "AWS_DEFAULT_REGION": "us-east-1"}


def home() -> Path:
    """The folder of its packages: fetched once per user, and checked by moto.lock."""
    return packages("moto", LOCK)


class S3(Server):
    """One server, in memory."""

    name = "S3"
    ready_line: ClassVar[bytes] = b"Running on http://"
    version = "moto 5.2.5"

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{self.address}"

    def introduce(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Let clients in this process and its children find it, with an empty cache of models."""
        for name, value in (LOGIN | {"AWS_ENDPOINT_URL": self.url, "XDG_CACHE_HOME": str(cache)}).items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()  # clients with the variables of before

    def files(self) -> s3fs.S3FileSystem:
        """Return a client of the server, which caches nothing."""
        key, secret = LOGIN["AWS_ACCESS_KEY_ID"], LOGIN["AWS_SECRET_ACCESS_KEY"]
        return s3fs.S3FileSystem(key=key, secret=secret, endpoint_url=self.url, use_listings_cache=False)

    def _command(self) -> list[str]:
        start = f"import sys; sys.path.insert(0, {str(home())!r}); from moto.server import main; main()"
        return [sys.executable, "-c", start, "-H", HOST, "-p", str(self.port)]


@contextmanager
def serving(folder: Path) -> Iterator[S3]:
    """Start a server with an empty bucket."""
    with S3(folder) as server:
        server.files().mkdir(BUCKET)
        yield server
