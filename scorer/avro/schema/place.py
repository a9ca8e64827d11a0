"""Positions in a schema, for errors."""

from dataclasses import dataclass, replace
from typing import NoReturn

from scorer.errors import Misconfigured, Problem

DEEPEST = 100  # types inside each other


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a type in a schema."""

    file: str
    path: str = ""  # of the field
    space: str = ""  # the namespace around it
    depth: int = 0

    def inside(self, path: str) -> "Place":
        """Return the position of a type inside this one."""
        return replace(self, path=path, depth=self.depth + 1)

    def problem(self, what: str, expected: str) -> Problem:
        """Return a problem at this position."""
        return Problem(f"{self.file}: field '{self.path}'" if self.path else self.file, what, expected)

    def refuse(self, what: str, expected: str) -> NoReturn:
        """Raise a problem at this position."""
        raise Misconfigured([self.problem(what, expected)])

    def refuse_depth(self) -> NoReturn:
        """Raise the problem that types are nested too deeply here."""
        self.refuse("types are nested too deep", f"at most {DEEPEST} inside each other")
