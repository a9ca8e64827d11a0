"""The home of a roll-out state in a file beside the versions: for GitOps, for `scorer score`, and without Kafka."""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scorer.documents import yaml
from scorer.documents.files import read_bytes
from scorer.errors import Fatal, Misconfigured, Problem
from scorer.rollout.history import Change, Held, read_change
from scorer.rollout.home import Conflict
from scorer.rollout.state import State, read_state

FILE = "rollout.yaml"
_LOCK = ".rollout.lock"  # hidden, so that it is no version
LOOK_SECONDS = 0.25  # between two looks at the file
KEPT = 100  # changes: a replica reads all of them at each change
_HEAD = """\
# The roll-out state of this model: `scorer models promote`, `canary`, `shadow` and `rollback` change it.
# It may also be written by hand: then leave out what is below `history`.
"""


class FileHome:
    """Keeps the state in `rollout.yaml` in the folder of the versions.

    Writers on one machine, or on a file system with locks, exclude each other; the file is replaced atomically.

    Args:
        folder: the folder of the versions.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / FILE
        self._content: bytes | None = None
        self._held = Held()

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self._file)

    def read(self) -> Held:
        """Return the contents of the file; empty ones if there is no file.

        Raises:
            Misconfigured: it cannot be read, or has no valid state, with every reason.
        """
        content = self._load()
        if content != self._content:
            self._held = read_file(content, self.location)
            self._content = content
        return self._held

    def wait(self, seconds: float) -> Held:
        """Return the contents of the file after at most some seconds, or as soon as it changes.

        Raises:
            Misconfigured: see `read`.
        """
        before, deadline = self._held, time.monotonic() + seconds
        while (held := self.read()) is before and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
        return held

    def write(self, change: Change, read: Held) -> None:
        """Replace the file, unless its content is no longer what was read.

        Raises:
            Conflict: it is not; nothing was written.
            Fatal: it cannot be written.
        """
        text = next_file(change, read)
        try:
            with self._locked():
                content = self._load()
                if digest(content) != read.token:
                    raise Conflict(self.location, read_file(content, self.location))
                _replace(self._file, text)
        except OSError as error:
            raise Fatal(f"cannot write {self.location}: {error.strerror or error}; nothing was changed") from error

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _load(self) -> bytes:
        try:
            return read_bytes(self._file)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Misconfigured([Problem(self.location, f"cannot be read: {error.strerror}")]) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def read_file(content: bytes, where: str) -> Held:
    """Return the contents of a file.

    Args:
        content: its bytes; empty if there is no file.
        where: its name, for errors.

    Raises:
        Misconfigured: it has no valid state.
    """
    if not content:
        return Held(token=digest(content))
    try:
        found, problems = yaml.construct(content.decode("utf-8-sig"), where)
    except UnicodeDecodeError:
        raise Misconfigured([Problem(where, "is not UTF-8", "expected a roll-out state in YAML")]) from None
    if problems:
        raise Misconfigured(problems)
    changes: Any = found.pop("history", None) if isinstance(found, dict) else None
    state = read_state(found, where)
    if not isinstance(changes, list | None):
        raise Misconfigured([Problem(f"{where}: history", "is no list", "leave it out if you write the file by hand")])
    history = [read_change(each, f"{where}: history[{at}]") for at, each in enumerate(changes or ())]
    return Held(state, tuple(history), "", digest(content))


def next_file(change: Change, read: Held) -> str:
    """Return the text of the file after a change of what was read."""
    return write_file(change.after, (*read.history, change)[-KEPT:])


def write_file(state: State, history: Sequence[Change]) -> str:
    """Return the text of the file. The values are JSON, which YAML 1.2 contains: no version is taken for a number."""
    document = state.document()
    lines = [f"champion: {_json(document['champion'])}"]
    if "ensembles" in document:
        lines += ["ensembles:", *(f"  {_json(name)}: {_json(each)}" for name, each in document["ensembles"].items())]
    for name, items in (
        *((name, document[name]) for name in ("canaries", "shadows")),
        ("history", [change.document() for change in history]),
    ):
        lines += [f"{name}:", *(f"  - {_json(item)}" for item in items)] if items else [f"{name}: []"]
    return _HEAD + "\n".join(lines) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def digest(content: bytes) -> str:
    """Return the token of what a file holds, see `Held`."""
    return hashlib.sha256(content).hexdigest()


def _replace(file: Path, text: str) -> None:
    """Write a file durably under a hidden name, then rename it."""
    descriptor, hidden = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fchmod(out.fileno(), 0o644)
            os.fsync(out.fileno())
        Path(hidden).replace(file)
    finally:
        Path(hidden).unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
