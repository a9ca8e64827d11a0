"""The real Feast, in an environment of its own: it is 450 MB, and it needs an older pandas than this project."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scorer.errors import Fatal
from scorer.sandbox.jars import cache_folder

LOCK = Path(__file__).with_name("requirements.lock")
SCRIPT = Path(__file__).with_name("online_store.py")


def home(purpose: str = "feast", packages: Path = LOCK) -> Path:
    """Return an environment, which is made once from the pinned packages and kept beside the jars of the sandbox.

    Args:
        purpose: what it is for, in the name of its folder.
        packages: the file that pins them.

    Raises:
        Fatal: the packages cannot be installed.
    """
    name = f"{purpose}-{hashlib.sha256(packages.read_bytes()).hexdigest()[:12]}"
    folder = cache_folder().parent / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be making it
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--python", sys.executable, str(folder))
            _uv(
                "pip",
                "install",
                "--python",
                str(folder / "bin/python"),
                "--no-deps",
                "--require-hashes",
                "-r",
                str(packages),
            )
            (folder / "ready").touch()
    return folder


def _uv(*words: str) -> None:
    command = [str(Path(sys.executable).with_name("uv")), "--quiet", *words]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603  our own
    if done.returncode:
        raise Fatal(f"the packages of a rival cannot be installed: {done.stderr.strip()[-2_000:]}")


def _environment() -> dict[str, str]:
    """Return the variables with the index and the certificate that pip was told of."""
    found = dict(os.environ)
    if index := os.environ.get("PIP_INDEX_URL"):
        found.setdefault("UV_DEFAULT_INDEX", index)
    if certificate := os.environ.get("PIP_CERT"):
        found.setdefault("SSL_CERT_FILE", certificate)
    return found


class Feast:
    """The real Feast, as a child process that answers requests; see `online_store.Session`."""

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(  # noqa: S603  our own script
            [str(home() / "bin/python"), str(SCRIPT)],
            env=os.environ | {"FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __call__(self, do: str, **arguments: object) -> Any:  # noqa: ANN401  JSON
        """Have a method of `Session` do something, and return what it returns.

        Raises:
            Fatal: it ended, with what it wrote.
        """
        assert self._process.stdin  # noqa: S101  it is a pipe
        assert self._process.stdout  # noqa: S101  the same
        try:
            self._process.stdin.write(json.dumps({"do": do} | arguments) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._log.seek(0)
            raise Fatal(f"Feast ended: {self._log.read()[-3_000:]}")
        return json.loads(answer)
