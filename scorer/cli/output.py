"""Files that a command writes: replaced when all of it is there, and else left as they were."""

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

_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")  # whatever stands behind them, it is written to at once


@contextmanager
def replacing(file: Path, option: str) -> Iterator[TextIO]:
    """Open a file for writing: what was there stays until the block ends without an error.

    Args:
        file: to be made or replaced; a pipe or a device is written to at once.
        option: what names it, for errors.

    Raises:
        Misconfigured: it cannot be opened.
        Fatal: it cannot be written, such as on a disk that is full.
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
        return not stat.S_ISREG(file.stat().st_mode)  # a folder as well, which cannot be opened
    except FileNotFoundError:
        return False


def _open_part(target: Path) -> tuple[Path, TextIO]:
    """Open a file beside another, or elsewhere where only that one can be written."""
    name = f".{target.name}.{secrets.token_hex(4)}.part"
    if target.exists():
        target.open("r+").close()  # replacing it asks for no right to write it
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
    except OSError:  # another file system, or a file that is a mount of its own
        shutil.copyfile(part, target)
