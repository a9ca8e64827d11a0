"""The names of versions, wherever they are kept: which are allowed, their order, and how errors speak of them."""

import re
from collections.abc import Iterable

from scorer.errors import Problem, did_you_mean

LATEST = "latest"  # in a configuration, the last version; so no version has this name


def is_version_name(name: str) -> bool:
    """Whether a version may have this name: not hidden, not a path, not the word `latest`."""
    return bool(name) and name != LATEST and name[0] != "." and name.isprintable() and not set(name) & set("/\\")


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names that a version may have in natural order: "9" before "10"."""
    return sorted(filter(is_version_name, names), key=_natural)


def next_number(names: Iterable[str]) -> str:
    """Return the number after the largest that names a version; "1" if there is none."""
    return str(1 + max((int(name) for name in names if re.fullmatch("[0-9]+", name)), default=0))


def unknown_version(version: str, names: list[str], location: str) -> Problem:
    """Return the problem of a version that is not among those at a location."""
    there = f"{location} has {', '.join(names)}" if names else f"{location} has no versions"
    return Problem("model.version", f"no version '{version}'{did_you_mean(version, names)}", there)


def wrong_name(version: str) -> Problem:
    """Return the problem of a new version whose name cannot be one."""
    return Problem("--version", f"{version!r} cannot be a version's name", "expected a plain folder name")


def taken_name(version: str, location: str) -> Problem:
    """Return the problem of a new version whose name is taken."""
    return Problem("--version", f"{location}/{version} exists", "a version never changes: choose another name")


def _natural(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that orders digits by value. Text and numbers alternate, so only like types are compared."""
    return [int(part) if at % 2 else part for at, part in enumerate(re.split("([0-9]+)", name))], name
