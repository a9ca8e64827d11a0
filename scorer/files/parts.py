"""Divides Parquet files at their row groups into parts, each of which has an output of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorer.errors import Misconfigured
from scorer.files.inputs import Input
from scorer.files.stores import is_remote

_PARTS = ".parts"  # the ending of the folder with the outputs of one file
_OF_PART = re.compile(r"[0-9]{5,}\.[a-z]+")


@dataclass(frozen=True, slots=True)
class Part:
    """Some row groups of a file that follow each other.

    groups: the first, and the one after the last.
    first:  the number of the first row in the file.
    rows:   how many there are.
    whole:  how many rows the file has.
    """

    groups: tuple[int, int]
    first: int
    rows: int
    whole: int

    @property
    def text(self) -> str:
        """The part as a receipt has it."""
        return f"rows {self.first} to {self.first + self.rows - 1}"


def parts_of(file: Input, rows: int) -> list[Part]:
    """Return the parts of a file; none if it stays whole: it has one part, is no Parquet, or is not on this machine.

    Args:
        file: the file.
        rows: the least number of rows of a part, except the last one.
    """
    if is_remote(file.address) or not file.address.endswith(".parquet"):
        return []
    from scorer.tables import rows_of_groups  # noqa: PLC0415  imports pyarrow, which only tables need

    try:
        groups = rows_of_groups(Path(file.address))
    except Misconfigured:  # reported when the file is scored
        return []
    found = list(_divided(groups, rows))
    return found if len(found) > 1 else []


def name_of_part(output: str, number: int, form: str) -> str:
    """Return the name of the output of a part, given that of the whole file."""
    return f"{output}{_PARTS}/{number:05}.{form}"


def left_over(there: Sequence[str], outputs: Sequence[str], wanted: set[str]) -> list[str]:
    """Return which outputs were made of other parts of the same files: their rows would be there twice.

    Args:
        there:   the names of all files in the folder of outputs.
        outputs: the names that the outputs of the files have if each is one.
        wanted:  the names that the outputs have now.
    """
    known = set(outputs)
    found = []
    for name in there:
        owner, parts, part = name.rpartition(f"{_PARTS}/")
        mine = (owner in known and _OF_PART.fullmatch(part)) if parts else name in known
        if mine and name not in wanted:
            found.append(name)
    return found


def _divided(groups: Sequence[int], rows: int) -> Iterator[Part]:
    first, begin, whole = 0, 0, sum(groups)
    for end in range(1, len(groups) + 1):
        size = sum(groups[begin:end])
        if size and (size >= rows or end == len(groups)):
            yield Part((begin, end), first, size, whole)
            first, begin = first + size, end
