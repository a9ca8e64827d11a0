"""The kinds of error, each named by what happens next."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration, a bundle or a schema.

    where:    the key's path or the file, as the user would look for it (`batch.max_records`, `plan.yaml: columns[3]`).
    what:     what was found there.
    expected: what would be right, or what to do; may be empty where `what` says it all.
    """

    where: str
    what: str
    expected: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.expected}" if self.expected else "")


class ScorerError(Exception):
    """An error whose text is meant for the user, without a traceback."""


class Misconfigured(ScorerError):
    """Wrong usage or configuration, bundles and schemas included: exit 2, every problem at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Unavailable(ScorerError):
    """A server cannot answer: wait by policy, stay in the group, try again; nothing is dropped."""

    condition: ClassVar[str] = "features"  # the line of /ready that tells of it


class Aborted(Unavailable):
    """The writes of a batch are undone, or it is not known yet: try again, with what is still ours."""

    condition = "writes"


class RegistryUnavailable(Unavailable):
    """The schema registry cannot say what a schema is."""

    condition = "registry"


class Fatal(ScorerError):
    """No safe way on: exit 1 without committing. The text says what happened and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name nearest to one that is not; empty where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return near[0] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, to stand behind what is said of an unknown name; empty where none is near."""
    near = nearest(name, known)
    return f"; did you mean '{near}'?" if near else ""
