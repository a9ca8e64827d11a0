"""Writes outputs to a local folder or an object store. An output appears only when it is complete.

Beside the outputs, the folder `_scorer` has a receipt for each: which input, which model and which settings it was made
from. An output with a matching receipt is finished. The receipt is written after the output, so an output is made again
if the process is killed in between.
"""

import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, Self

from scorer.errors import Fatal, Misconfigured, Problem
from scorer.files.stores import answering, is_remote, store_at

RECEIPTS = "_scorer"  # their folder; programs that read the outputs ignore names that begin with `_`
LOCK_SECONDS = 10.0  # time for the processes of a killed command to notice that it has ended


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an output was made from.

    address, size, changed: those of the input; see `Input`.
    recipe:   a digest of the model, the settings and the options; see `recipe_of`.
    written:  the size of the output, in bytes.
    scored:   the number of rows with a score.
    rejected: the number of rows without one, by reason.
    absent:   the fields that took their default, or null, in every row, since no column has them.
    part:     the part of the input; empty for the whole.
    """

    address: str
    size: int
    changed: str
    recipe: str
    written: int
    scored: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    absent: Sequence[str] = ()
    part: str = ""

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """Parse a receipt; return None if it is none, since others may have edited it."""
        try:
            found = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        texts = (found.address, found.changed, found.recipe, found.part)
        counts = isinstance(found.rejected, dict) and isinstance(found.absent, list)
        numbers = (found.size, found.written, found.scored, *found.rejected.values()) if counts else (None,)
        whole = all(type(each) is int for each in numbers) and all(isinstance(each, str) for each in texts)
        return found if whole and all(isinstance(each, str) for each in found.absent) else None

    @property
    def text(self) -> bytes:
        """The receipt as JSON, the content of its file."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


class Outputs(Protocol):
    """A folder of outputs."""

    address: str

    def receipt(self, name: str) -> Receipt | None:
        """Return the receipt of an output; None if the output is absent or its size does not match."""

    def part(self, name: str) -> Path:
        """Return the path of a new temporary file for an output."""

    def put(self, part: Path, name: str) -> None:
        """Move a complete file to its name, and replace an older output.

        Raises:
            Unavailable: the object store does not answer.
            Fatal: the output cannot be written.
        """

    def note(self, name: str, receipt: Receipt) -> None:
        """Write the receipt of an output that was put."""

    def remove(self, name: str) -> None:
        """Remove an output if it is there."""

    def names(self) -> list[str]:
        """Return the names of all files in the folder, except receipts."""


def outputs_at(address: str, option: str) -> Outputs:
    """Return the folder of outputs at a path or an address.

    Raises:
        Misconfigured: it cannot be written, or nothing here knows such an address.
    """
    return _Objects(address, option) if is_remote(address) else _Folder(address, option)


class _Folder:
    """A folder of this machine: an output is written under another name there, and renamed."""

    def __init__(self, address: str, option: str) -> None:
        self.address, self._root = address, Path(address)
        try:
            (self._root / RECEIPTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"{address} cannot be written: {error.strerror}"
            raise Misconfigured([Problem(option, what, "expected a folder for the outputs")]) from None

    def receipt(self, name: str) -> Receipt | None:
        try:
            found = Receipt.parse(self._receipt(name).read_bytes())
            there = (self._root / name).stat().st_size
        except OSError:
            return None
        return found if found and found.written == there else None

    def part(self, name: str) -> Path:
        path = self._root / RECEIPTS / f"{name}.{secrets.token_hex(4)}.part"
        with writes(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, part: Path, name: str) -> None:
        target = self._root / name
        with writes(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)

    def note(self, name: str, receipt: Receipt) -> None:
        part = self.part(name)
        with writes(part):
            part.write_bytes(receipt.text)
            part.replace(self._receipt(name))

    def remove(self, name: str) -> None:
        with writes(self._root / name):
            (self._root / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        found = (file.relative_to(self._root).as_posix() for file in self._root.rglob("*") if file.is_file())
        return [name for name in found if not name.startswith(f"{RECEIPTS}/")]

    def _receipt(self, name: str) -> Path:
        return self._root / RECEIPTS / f"{name}.json"


class _Objects:
    """A folder in an object store: an output is written on this machine, and uploaded when it is complete."""

    def __init__(self, address: str, option: str) -> None:
        self.address, self._option = address, option
        self._store, root = store_at(address, option)
        self._root = root.rstrip("/")

    def receipt(self, name: str) -> Receipt | None:
        with answering(self.address, self._option):
            try:
                found = Receipt.parse(self._store.cat_file(self._receipt(name)))
                there = self._store.size(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
        return found if found and found.written == there else None

    def part(self, name: str) -> Path:  # noqa: ARG002  as the protocol has it
        number, path = tempfile.mkstemp(prefix="scorer-", suffix=".part")
        os.close(number)
        return Path(path)

    def put(self, part: Path, name: str) -> None:
        with answering(self.address, self._option):
            self._store.put_file(str(part), f"{self._root}/{name}")
        part.unlink()

    def note(self, name: str, receipt: Receipt) -> None:
        with answering(self.address, self._option):
            self._store.pipe_file(self._receipt(name), receipt.text)

    def remove(self, name: str) -> None:
        with answering(self.address, self._option):
            if self._store.exists(f"{self._root}/{name}"):
                self._store.rm_file(f"{self._root}/{name}")

    def names(self) -> list[str]:
        with answering(self.address, self._option):
            found = [str(path)[len(self._root) + 1 :] for path in self._store.find(self._root)]
        return [name for name in found if not name.startswith(f"{RECEIPTS}/")]

    def _receipt(self, name: str) -> str:
        return f"{self._root}/{RECEIPTS}/{name}.json"


@contextmanager
def alone(address: str) -> Iterator[None]:
    """Lock a local folder against other commands, and remove the temporary files of a killed one.

    The processes of one command share the lock (`shared`), so it is free when the last of them has ended.

    Raises:
        Misconfigured: another command has the lock.
    """
    if is_remote(address):
        yield
        return
    folder = Path(address) / RECEIPTS
    with (folder / "lock").open("a") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _locked(lock.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                what = f"another command is writing to {address}"
                raise Misconfigured([Problem("--output", what, "wait until it ends, or name another folder")])
            time.sleep(0.05)
        for part in folder.rglob("*.part"):
            part.unlink(missing_ok=True)
        _locked(lock.fileno(), fcntl.LOCK_SH)
        yield


@contextmanager
def shared(address: str) -> Iterator[None]:
    """Hold the lock of a folder together with the command that this process belongs to."""
    if is_remote(address):
        yield
        return
    with (Path(address) / RECEIPTS / "lock").open("a") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_SH)
        yield


def _locked(number: int, how: int) -> bool:
    try:
        fcntl.flock(number, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def writes(path: Path | str) -> Iterator[None]:
    """Turn the errors of the operating system while a file is written into ours.

    Args:
        path: the file, as it is shown.

    Raises:
        Fatal: it cannot be written, such as on a full disk.
    """
    try:
        yield
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror or error}") from None
