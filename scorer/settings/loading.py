"""Loads the settings from their sources, and reports all problems together."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scorer.documents.faults import Fault, faults
from scorer.errors import Misconfigured, Problem
from scorer.settings.catalogue import Catalogue, Key, Setting, Shape, catalogue_of
from scorer.settings.document import read_file
from scorer.settings.groups import Settings
from scorer.settings.properties import RefusedProperties
from scorer.settings.sources import Given, Origin, Sources, read_environment, read_flags
from scorer.settings.wording import show, where

KAFKA, SERVE = "kafka", "serve"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the source of each value by dotted key: "default", "file", the variable's name or "--set"."""

    settings: Settings
    sources: Mapping[str, str]


def load(  # noqa: PLR0913  all but the first have defaults
    path: Path,
    environ: Mapping[str, str] = os.environ,
    overrides: Iterable[str] = (),
    left_out: list[Problem] | None = None,
    form: type[Settings] = Settings,
    *,
    streaming: bool = True,
) -> Loaded:
    """Return the settings of a file, overridden by `SCORER_` variables, overridden by PATH=VALUE flags.

    Args:
        path: the YAML file; relative paths in any source are relative to its folder.
        environ: the variables for `${VAR}` in the file, and the `SCORER_` variables.
        overrides: the flags; the last one wins.
        left_out: if given, wrong keys are left out where possible, and their problems are added to this list; if
            None, they are raised.
        form: the settings that there are.
        streaming: whether Kafka is needed; a configuration with the group `serve` does without in any case.

    Raises:
        Misconfigured: with every problem, each with its key, its source, its value and what was expected.
    """
    sources = Sources(catalogue_of(form))
    read_file(sources, path, environ)
    read_environment(sources, environ)
    read_flags(sources, overrides)
    given = sources.given
    if streaming and (KAFKA,) not in given and not any(key[:1] == (SERVE,) for key in given):
        given = {(KAFKA,): Given({}, Origin("default", path.name)), **given}
    settings, found = _validated(form, given, path.parent)
    problems = [*sources.problems, *(problem for fault in found for problem in _worded(fault, sources, path))]
    if found and left_out is not None:
        wrong = {_setting(fault, sources.catalogue).key for fault in found}
        given = {key: value for key, value in given.items() if key not in wrong}
        settings, _ = _validated(form, given, path.parent)
    if settings is None or (problems and left_out is None):
        raise Misconfigured(problems)
    if left_out is not None:
        left_out += problems
    return Loaded(settings, _sources_of(settings, given))


def _validated(form: type[Settings], given: Mapping[Key, Given], folder: Path) -> tuple[Settings | None, list[Fault]]:
    try:
        return form.model_validate(_nested(given, catalogue_of(form)), context={"folder": folder}), []
    except ValidationError as error:
        return None, list(faults(error, form))


def _nested(given: Mapping[Key, Given], catalogue: Catalogue) -> dict[str, Any]:
    """Return the values in nested groups, for pydantic; required groups at the top are present even if empty."""
    tree: dict[str, Any] = {}
    for setting in catalogue.values():
        if setting.shape is Shape.GROUP and setting.required and len(setting.key) == 1:
            tree[setting.key[0]] = {}
    for key in sorted(filter(None, given), key=len):
        group = tree
        for name in key[:-1]:
            group = group.setdefault(name, {})
        value = given[key].value
        group[key[-1]] = dict(value) if isinstance(value, dict) else value
    return tree


def _worded(fault: Fault, sources: Sources, path: Path) -> Iterator[Problem]:
    """Yield a fault in the words of the catalogue, except for keys with an earlier problem."""
    setting = _setting(fault, sources.catalogue)
    key = setting.key
    if any(key[:size] in sources.refused for size in range(len(key) + 1)):
        return
    item = "".join(f"[{index}]" for index in fault.path[len(key) :])
    expects = setting.expects.removesuffix(" or null") if fault.missing else setting.expects
    if fault.missing and key not in sources.given:
        yield Problem(setting.dotted, "missing", f"expected {expects}, in {path.name} or in {setting.variable}")
    elif entries := _wrong_entries(fault, setting):
        for name, why in entries.items():
            inner = (*key, name)
            given = sources.given[inner]
            found = f"found {show(inner, given.value, sources.catalogue)}"
            yield Problem(where(inner, given.origin.place), found, why)
    else:
        found = f"found {show(key, fault.found, sources.catalogue)}"
        # A map has no value of its own, only entries: the place of the first one is shown.
        given = next(value for other, value in sources.given.items() if other[: len(key)] == key)
        yield Problem(where(key, given.origin.place, item), found, str(fault.reason or f"expected {expects}"))


def _wrong_entries(fault: Fault, setting: Setting) -> Mapping[str, str]:
    """Return what is wrong with the entries of a map, by their names; empty for any other fault."""
    if isinstance(fault.reason, RefusedProperties):
        return fault.reason.reasons
    steps = fault.path[len(setting.key) :]
    return {str(steps[0]): f"expected {setting.expects}"} if steps and setting.shape is Shape.MAP else {}


def _setting(fault: Fault, catalogue: Catalogue) -> Setting:
    """Return the setting of a fault."""
    return catalogue.around((*map(str, fault.path), *filter(None, [fault.missing])))


def _sources_of(settings: Settings, given: Mapping[Key, Given]) -> dict[str, str]:
    def leaves(key: Key, value: object) -> Iterator[Key]:
        if isinstance(value, dict) and value:
            for name, item in value.items():
                yield from leaves((*key, name), item)
        else:
            yield key

    keys = leaves((), settings.model_dump(by_alias=True))
    return {".".join(key): given[key].origin.source if key in given else "default" for key in keys}
