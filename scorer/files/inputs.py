"""Finds the files to score: single files, folders and patterns, on this machine or in an object store."""

import glob
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorer.errors import Misconfigured, Problem
from scorer.files.stores import answering, is_remote, store_at

ENDINGS = (".parquet", ".csv", ".avro", ".jsonl", ".ndjson", ".json")  # of events in folders
_PATTERN = re.compile(r"[*?\[]")
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created")  # what stores say of an object's content


@dataclass(frozen=True, slots=True)
class Input:
    """A file of events.

    address: the path of the file, or the address of the object.
    below:   its path relative to the folder that was given, or to the part of a pattern before its wildcards.
    size:    in bytes.
    changed: the modification time in nanoseconds, or the tag of an object.
    """

    address: str
    below: str
    size: int
    changed: str


def find_inputs(given: Sequence[str]) -> list[Input]:
    """Return the files for some paths, sorted by address for each path, without duplicates.

    Args:
        given: paths and addresses of files, of folders, and with wildcards (`*`, `?`, `[a-z]`, and `**` for folders).

    Raises:
        Misconfigured: with every path at which there is no file.
        Unavailable: an object store does not answer.
    """
    found, problems = dict[str, Input](), list[Problem]()
    for each in given:
        inputs = list(_remote(each) if is_remote(each) else _local(each))
        for one in inputs:
            found.setdefault(one.address, one)
        if not inputs:
            expected = f"expected a file, or a folder of files that end in {', '.join(ENDINGS)}"
            problems.append(Problem("--input", f"no file at {each}", expected))
    if problems:
        raise Misconfigured(problems)
    return list(found.values())


def is_one_file(given: str) -> bool:
    """Whether an input is a single file of this machine, rather than a folder, a pattern or an object."""
    if is_remote(given) or Path(given).is_dir():
        return False
    return Path(given).exists() or not _PATTERN.search(given)


@contextmanager
def on_this_machine(file: Input, folder: Path) -> Iterator[Path]:
    """Yield the path of a file; an object is downloaded, and removed afterwards.

    Args:
        file: the file.
        folder: where downloads go.

    Raises:
        Misconfigured: the object is gone.
        Unavailable: the object store does not answer.
    """
    if not is_remote(file.address):
        yield Path(file.address)
        return
    target = folder / posixpath.basename(file.address)
    try:
        with answering(file.address, "--input"):
            store, path = store_at(file.address, "--input")
            store.get_file(path, str(target))
        yield target
    finally:
        target.unlink(missing_ok=True)


def require_unchanged(file: Input) -> None:
    """Make sure that a file has not changed since it was found.

    Raises:
        Misconfigured: it has changed, or is gone.
    """
    if is_remote(file.address):
        with answering(file.address, "--input"):
            store, path = store_at(file.address, "--input")
            now = _of_object(store.info(path))
    else:
        try:
            now = _of_file(Path(file.address))
        except OSError:
            now = (-1, "")
    if now != (file.size, file.changed):
        raise Misconfigured([Problem(file.address, "changed while it was read", "start again when it is complete")])


def _local(given: str) -> Iterator[Input]:
    path = Path(given)
    if path.is_dir():
        root, files = given, [file for file in _files_below(path) if file.suffix in ENDINGS]
    elif path.exists() or not _PATTERN.search(given):
        root, files = os.path.dirname(given), [path] if path.is_file() else []  # noqa: PTH120  with objects alike
    else:
        root, files = _fixed(given), [Path(name) for name in glob.glob(given, recursive=True)]  # noqa: PTH207  of any path
    for file in sorted(files):
        below = os.path.relpath(file, root or ".")
        if file.is_file() and not _is_hidden(below):
            yield Input(str(file), below.replace(os.sep, "/"), *_of_file(file))


def _files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield all files of a folder, also of folders that it has links to, as patterns with `**` find them.

    Args:
        folder: the folder.
        above: the folders around it; a link to one of them would have no end, and is skipped.

    Raises:
        Misconfigured: a folder cannot be read, whose files would be left out otherwise.
    """
    here = folder.resolve()
    if here in above:
        return
    try:
        found = list(folder.iterdir())
    except OSError as error:
        expected = "expected a folder that may be read"
        raise Misconfigured([Problem("--input", f"{folder} cannot be read: {error.strerror}", expected)]) from None
    for each in found:
        if not each.is_dir():
            yield each
        elif not _is_hidden(each.name):
            yield from _files_below(each, above | {here})


def _remote(given: str) -> Iterator[Input]:
    with answering(given, "--input"):
        store, path = store_at(given, "--input")
        if _PATTERN.search(path):
            root, found = _fixed(path), store.glob(path, detail=True)
        elif store.isfile(path):
            root, found = posixpath.dirname(path), {path: store.info(path)}
        else:
            below = store.find(path, detail=True)
            root, found = path, {name: info for name, info in below.items() if name.endswith(ENDINGS)}
        for name, info in sorted(found.items()):
            below = posixpath.relpath(name, root or ".")
            if info["type"] == "file" and not _is_hidden(below):
                yield Input(store.unstrip_protocol(name), below, *_of_object(info))


def _of_file(file: Path) -> tuple[int, str]:
    state = file.stat()
    return state.st_size, str(state.st_mtime_ns)


def _of_object(info: dict[str, Any]) -> tuple[int, str]:
    return int(info["size"]), next((str(info[name]) for name in _VERSIONS if info.get(name)), "")


def _fixed(pattern: str) -> str:
    """Return the folder of a pattern before its first wildcard."""
    first = _PATTERN.search(pattern)
    return pattern[: pattern.rindex("/", 0, first.start())] if first and "/" in pattern[: first.start()] else ""


def _is_hidden(below: str) -> bool:
    """Whether the name of a file, or of a folder around it, begins with `.` or `_`, which marks what is not data."""
    return any(name.startswith((".", "_")) and name not in {".", ".."} for name in below.split("/"))
