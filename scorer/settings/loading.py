"""Settings made from their sources, and every problem with them told at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scorer.errors import Misconfigured, Problem
from scorer.settings.catalogue import ALIASES, CATALOGUE, Key, Shape
from scorer.settings.document import read_file
from scorer.settings.groups import Settings
from scorer.settings.properties import RefusedProperties
from scorer.settings.sources import Given, Sources, read_environment, read_flags
from scorer.settings.wording import show, where


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each value came from: "default", "file", the variable's name or "--set", by dotted key."""

    settings: Settings
    sources: Mapping[str, str]


def load(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    overrides: Iterable[str] = (),
    left_out: list[Problem] | None = None,
) -> Loaded:
    """Return the settings of a file, changed by `SCORER_` variables, changed by PATH=VALUE flags.

    Args:
        path: the YAML file; relative paths in settings, wherever they were given, are relative to its folder.
        environ: what `${VAR}` in the file and `SCORER_` variables are taken from.
        overrides: flags, the last wins.
        left_out: takes the problems of keys that the rest makes settings without; where None, they are raised.

    Raises:
        Misconfigured: with every problem, each with its key, where it was given, its value and what was expected.
    """
    sources = Sources()
    read_file(sources, path, environ)
    read_environment(sources, environ)
    read_flags(sources, overrides)
    given = sources.given
    settings, errors = _validated(given, path.parent)
    problems = [*sources.problems, *(problem for details in errors for problem in _worded(details, sources, path))]
    if errors and left_out is not None:
        wrong = {_key(details) for details in errors}
        given = {key: value for key, value in given.items() if key not in wrong}
        settings, _ = _validated(given, path.parent)
    if settings is None or (problems and left_out is None):
        raise Misconfigured(problems)
    if left_out is not None:
        left_out += problems
    return Loaded(settings, _sources_of(settings, given))


def _validated(given: Mapping[Key, Given], folder: Path) -> tuple[Settings | None, list[ErrorDetails]]:
    try:
        return Settings.model_validate(_nested(given), context={"folder": folder}), []
    except ValidationError as error:
        return None, error.errors()


def _nested(given: Mapping[Key, Given]) -> dict[str, Any]:
    """Return the values in their groups, as pydantic takes them, and the required groups even where empty."""
    tree: dict[str, Any] = {}
    for setting in CATALOGUE.values():
        if setting.shape is Shape.GROUP and setting.required and setting.key:
            tree[setting.key[0]] = {}
    for key in sorted(filter(None, given), key=len):
        group = tree
        for name in key[:-1]:
            group = group.setdefault(name, {})
        value = given[key].value
        group[key[-1]] = dict(value) if isinstance(value, dict) else value
    return tree


def _worded(details: ErrorDetails, sources: Sources, path: Path) -> Iterator[Problem]:
    """Yield what pydantic found in the words of the catalogue, but for keys in which a problem has been told."""
    key = _key(details)
    if any(key[:size] in sources.refused for size in range(len(key) + 1)):
        return
    setting = CATALOGUE[key]
    item = "".join(f"[{index}]" for index in details["loc"][len(key) :])
    reason = details.get("ctx", {}).get("error")
    if details["type"] == "missing" and key not in sources.given:
        expects = setting.expects.removesuffix(" or null")
        yield Problem(setting.dotted, "missing", f"expected {expects}, in {path.name} or in {setting.variable}")
    elif isinstance(reason, RefusedProperties):
        for name, why in reason.reasons.items():
            inner = (*key, name)
            given = sources.given[inner]
            yield Problem(where(inner, given.origin.place), f"found {show(inner, given.value)}", why)
    else:
        found = f"found {show(key, details['input'])}"
        # A map has no value of its own, but entries: the place of the first is shown.
        given = next(value for other, value in sources.given.items() if other[: len(key)] == key)
        yield Problem(where(key, given.origin.place, item), found, str(reason or f"expected {setting.expects}"))


def _key(details: ErrorDetails) -> Key:
    """Return the setting in which pydantic found something."""
    location = tuple(ALIASES.get(str(part), str(part)) for part in details["loc"])
    return next(location[:size] for size in range(len(location), -1, -1) if location[:size] in CATALOGUE)


def _sources_of(settings: Settings, given: Mapping[Key, Given]) -> dict[str, str]:
    def leaves(key: Key, value: object) -> Iterator[Key]:
        if isinstance(value, dict) and value:
            for name, item in value.items():
                yield from leaves((*key, name), item)
        else:
            yield key

    keys = leaves((), settings.model_dump(by_alias=True))
    return {".".join(key): given[key].origin.source if key in given else "default" for key in keys}
