"""Output files: replaced once everything is written, and otherwise left as they were."""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from scorer.errors import Fatal, Misconfigured, Problem

_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")  # always written in place


@contextmanager
def replacing(file: Path, option: str) -> Iterator[TextIO]:
    """Open a file for writing that replaces the old one only if the block ends without an error.

    Args:
        file: the file to create or replace; a pipe or a device is written in place.
        option: the option that names the file, for errors.

    Raises:
        Misconfigured: the file cannot be opened.
        Fatal: the file cannot be written, for example because the disk is full.
    """
    part: Path | None = None
    out: TextIO
    try:
        if _is_stream(file):
            out = file.open("w", encoding="utf-8")
        else:
            part, out = _open_part(Path(os.path.realpath(file)))
    except OSError as error:
        raise Misconfigured([Problem(option, f"{file} cannot be written: {error.strerror}")]) from None
    try:
        with out:
            yield out
        if part is not None:
            _put(part, Path(os.path.realpath(file)))
    except OSError as error:
        if isinstance(error, BrokenPipeError) and str(file).startswith(_STREAMS):
            raise  # as with stdout itself
        raise Fatal(f"{file} cannot be written: {error.strerror}") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _is_stream(file: Path) -> bool:
    if str(file).startswith(_STREAMS):
        return True
    try:
        return not stat.S_ISREG(file.stat().st_mode)  # true for a folder as well, which then fails to open
    except FileNotFoundError:
        return False


def _open_part(target: Path) -> tuple[Path, TextIO]:
    """Open a temporary file beside the target, or elsewhere if that folder cannot be written."""
    name = f".{target.name}.{secrets.token_hex(4)}.part"
    if target.exists():
        target.open("r+").close()  # fails without the right to write it, which a replacement would not need
    try:
        part = target.with_name(name)
        out = part.open("x", encoding="utf-8")
    except PermissionError:
        if not target.exists():
            raise
        part = Path(tempfile.gettempdir()) / name
        out = part.open("x", encoding="utf-8")
    if target.exists():
        shutil.copymode(target, part)
    return part, out


def _put(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except OSError:  # the target is on another file system, or is itself a mount point
        shutil.copyfile(part, target)
