"""Files that are replaced while a replica runs: certificates, keys, passwords and tokens."""

import functools
from collections.abc import Iterable
from pathlib import Path

from scorer import redaction
from scorer.errors import Misconfigured, Problem

Look = tuple[tuple[int, int, int] | None, ...]
LONGEST = 65_536  # bytes of a secret: a larger file is another one


def look(files: Iterable[Path]) -> Look:
    """Return what differs once one of the files is replaced or rewritten; links are followed."""
    return tuple(map(_look, files))


def _look(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@functools.cache
def secret_file(file: Path, setting: str) -> "SecretFile":
    """Return the file of a secret: the same one for everyone who asks, so that its last secret stays known."""
    return SecretFile(file, setting)


class SecretFile:
    """A file that has one secret, which is read again when the file was replaced.

    Args:
        file: the path.
        setting: the key of the setting that names it, for messages.
    """

    def __init__(self, file: Path, setting: str) -> None:
        self._file, self._setting = file, setting
        self._secret, self._seen = "", Look()

    def read(self) -> str:
        """Return the secret, without the end of its line. While the file is missing or empty, the last one stays.

        Raises:
            Misconfigured: there is no secret yet.
        """
        now = look([self._file])
        if now != self._seen or not self._secret:
            try:
                self._secret = self._read() or self._secret
            except OSError as error:
                self._require(f"{self._file} cannot be read: {error.strerror}")
            except UnicodeDecodeError:
                self._require(f"{self._file} is not UTF-8")
            self._require(f"{self._file} is empty")
            self._seen = now
            redaction.learn(self._secret)
        return self._secret

    def _read(self) -> str:
        with self._file.open("rb") as file:
            return file.read(LONGEST).decode().rstrip("\r\n")

    def _require(self, what: str) -> None:
        if not self._secret:
            raise Misconfigured([Problem(self._setting, what, "expected a file with the secret alone")])
