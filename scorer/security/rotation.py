"""Files that are replaced while a replica runs: certificates, keys, passwords and tokens."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from scorer.errors import Misconfigured, Problem
from scorer.security import redaction

Look = tuple[tuple[int, ...] | None, ...]
LONGEST = 65_536  # bytes of a secret: a larger file is another one

log = structlog.get_logger()


def look(files: Iterable[Path]) -> Look:
    """Return a value that changes when a file is replaced, rewritten or made readable; links are followed."""
    return tuple(map(_look, files))


def _look(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid


@functools.cache
def secret_file(file: Path, setting: str) -> "SecretFile":
    """Return the file of a secret: the same one for everyone who asks, so that its last secret stays known."""
    return SecretFile(file, setting)


class SecretFile:
    """A file with one secret, which is read again when the file is replaced.

    Args:
        file: the path.
        setting: the key of the setting that names it, for messages.
        secrets: returns the parts of the content that are never shown; by default all of it.
    """

    def __init__(
        self, file: Path, setting: str, secrets: Callable[[str], Iterable[str]] = lambda content: [content]
    ) -> None:
        self._file, self._setting, self._secrets = file, setting, secrets
        self._secret, self._seen, self._warned = "", Look(), Look()

    def read(self) -> str:
        """Return the secret, without the end of its line. While the file cannot be used, the last one stays.

        Raises:
            Misconfigured: there is no secret yet.
        """
        now = look([self._file])
        if now != self._seen or not self._secret:
            if not (fault := self._renew()):
                self._seen = now
            elif not self._secret:
                raise Misconfigured([Problem(self._setting, fault, "expected a file with the secret alone")])
            elif now != self._warned:
                self._warned = now
                log.warning(
                    "file of a secret cannot be used: the last secret stays", setting=self._setting, error=fault
                )
        return self._secret

    def _renew(self) -> str:
        """Read the file; return why it cannot be used, or an empty text."""
        try:
            with self._file.open("rb") as file:
                secret = file.read(LONGEST).decode().rstrip("\r\n")
        except OSError as error:
            return f"{self._file} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            return f"{self._file} is not UTF-8"
        if not secret:
            return f"{self._file} is empty"
        redaction.learn(*self._secrets(secret))
        self._secret = secret
        return ""
