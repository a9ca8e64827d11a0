"""Reads documents that others wrote, up to a size: no file can fill the memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from scorer.errors import Misconfigured, Problem

MOST_BYTES = 16_000_000  # four times what a plan may have in characters
LONGEST_LINE = 2**24  # characters


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a file.

    Args:
        path: the file.
        most: the most bytes that it may have.

    Raises:
        OSError: it cannot be read.
        Misconfigured: it has more bytes.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Misconfigured([Problem(str(path), f"has more than {most} bytes", "expected a file that a person wrote")])
    return content


def read_text(path: Path, encoding: str = "utf-8-sig") -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not text of this encoding.
        Misconfigured: it has more than `MOST_BYTES`.
    """
    return read_bytes(path).decode(encoding)


def bounded_lines(text: TextIO, name: str) -> Iterator[str]:
    """Yield the lines of a text with their ends.

    Args:
        text: an open file.
        name: the file's name, for errors.

    Raises:
        Misconfigured: a line has more than `LONGEST_LINE` characters.
    """
    number = 0
    while line := text.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise Misconfigured([Problem(f"{name}: line {number}", f"has more than {LONGEST_LINE:,} characters")])
        yield line
