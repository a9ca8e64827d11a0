"""Reads documents that others wrote, up to a size: no file can fill the memory."""

from pathlib import Path

from scorer.errors import Misconfigured, Problem

MOST_BYTES = 16_000_000  # four times what a plan may have in characters


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
