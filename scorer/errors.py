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
    expected: what was expected, or what to do; empty if `what` says enough.
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
    """A server is unavailable: stay in the group and retry, if the policy is to wait; nothing is dropped.

    shown: the text for /ready, which has no data of events or features; empty if the text itself has none.
    """

    component: ClassVar[str] = "features"  # its name in /ready

    def __init__(self, text: str, shown: str = "") -> None:
        super().__init__(text)
        self.shown = shown


class Aborted(Unavailable):
    """The transaction of a batch was aborted, or its result is unknown: retry the partitions that are still owned."""

    component = "writes"


class RegistryUnavailable(Unavailable):
    """The schema registry cannot provide a schema now."""

    component = "registry"


class RepositoryUnavailable(Unavailable):
    """The repository of models does not answer."""

    component = "model"


class Fatal(ScorerError):
    """There is no safe way to continue: exit 1 without committing. The text says what happened and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to an unknown one; empty if none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return near[0] if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for an unknown name; empty if no known name is near."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, to end a message about an unknown name; empty if no known name is near."""
    hint = suggestion(name, known)
    return f"; {hint}" if hint else ""
