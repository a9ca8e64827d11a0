"""A server with the interface of Google Cloud Storage, as a child process, with its packages in a folder of its own."""

import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote
from urllib.request import Request, urlopen

from scorer.sandbox.server import HOST, Server
from tests.once import packages

BUCKET = "models"


def home() -> Path:
    """The folder of its packages and of gcsfs: fetched once per user, and checked by gcs.lock."""
    return packages("gcs", Path(__file__).with_name("gcs.lock"))


class Gcs(Server):
    """One server, in memory."""

    name = "Google Cloud Storage"
    ready_line: ClassVar[bytes] = b"All services started"
    version = "gcp-storage-emulator 2026.7.19"

    @property
    def variables(self) -> dict[str, str]:
        """Let a child process find the server, and gcsfs."""
        return {"STORAGE_EMULATOR_HOST": f"http://{self.address}", "PYTHONPATH": str(home())}

    def put(self, folder: Path, below: str) -> None:
        """Upload the files of a folder."""
        for file in (each for each in folder.rglob("*") if each.is_file()):
            name = quote(f"{below}/{file.relative_to(folder).as_posix()}", safe="")
            url = f"http://{self.address}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
            headers = {"Content-Type": "application/octet-stream"}
            urlopen(Request(url, file.read_bytes(), headers), timeout=30).close()

    def _command(self) -> list[str]:
        words = ["start", "--host", HOST, "--port", str(self.port), "--in-memory", "--default-bucket", BUCKET]
        start = f"import sys; sys.path.insert(0, {str(home())!r})"
        return [sys.executable, "-c", f"{start}; from gcp_storage_emulator.__main__ import main; main({words!r})"]
