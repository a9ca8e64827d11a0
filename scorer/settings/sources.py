"""Collects values from the file, the environment and flags, each with its origin; later sources override earlier ones.

Every value is text or null until its setting gives it a type. So the file, a variable and a flag mean the same, and
YAML does not guess: `version: 1.10` stays 1.10 and `group_id: no` is not a boolean.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scorer.errors import Problem
from scorer.security import redaction
from scorer.settings.catalogue import PREFIX, Catalogue, Key, Setting, Shape
from scorer.settings.kinds import NAMES
from scorer.settings.masking import secrets_in
from scorer.settings.wording import nearest_key, nearest_or_all, show, where

Value = str | None | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a value."""

    source: str  # "file", the variable's name or "--set"
    place: str  # where the user would look for it: `scorer.yaml line 3`


Origins = Callable[[Key], Origin]  # returns the origin of each key in a value


@dataclass(frozen=True, slots=True)
class Given:
    """One value from a source. The value of a group or a map of groups is {} or null; a map has one for each entry."""

    value: Value
    origin: Origin


class Sources:
    """The values given so far. A later value wins; a map or a group changes only the keys that it names.

    catalogue: the settings that there are.
    given:     the values, by their keys.
    problems:  the problems of values and keys.
    refused:   the keys with a problem.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.given: dict[Key, Given] = {}
        self.problems: list[Problem] = []
        self.refused: set[Key] = set()

    def put(self, setting: Setting, value: Value, origins: Origins) -> None:
        """Set the value of a setting or a group; a text for a list, a map or a group is parsed as JSON."""
        origin = origins(setting.key)
        if setting.shape is not Shape.SCALAR and isinstance(value, str):
            try:
                value = _from_json(value)
            except _DuplicateKey as error:
                self.refuse(setting.key, origin, f"duplicate key '{error}'", "keep one of them")
                return
            except (ValueError, RecursionError):
                # The text of a map is not shown: it may contain a password.
                found = self._show(setting.key, value) if setting.shape is Shape.LIST else "text that is not JSON"
                self.refuse(setting.key, origin, f"found {found}", f"expected {setting.expects}")
                return
        if setting.shape in {Shape.SCALAR, Shape.LIST}:
            self._set(setting.key, value, origin)
        elif isinstance(value, dict):
            self._put_each(setting, value, origins)
        elif value is None and setting.nullable:
            self._drop(setting.key)
            self._set(setting.key, None, origin)
        elif value is None and self.catalogue.around(setting.key[:-1]).shape is Shape.GROUPS:
            self._drop(setting.key)
        else:
            self.refuse(setting.key, origin, f"found {self._show(setting.key, value)}", f"expected {setting.expects}")

    def put_entry(self, key: Key, value: Value, origin: Origin) -> None:
        """Set one entry of a map; null removes it."""
        if value is None:
            self._drop(key)
        elif isinstance(value, str):
            self._set(key, value, origin)
        else:
            self.refuse(key, origin, f"found {self._show(key, value)}", "expected text, a number, true or false")

    def refuse(self, key: Key, origin: Origin, what: str, expected: str) -> None:
        """Add a problem of a key or its value."""
        self.problems.append(Problem(where(key, origin.place), what, expected))
        self.refused.add(key)

    def _put_each(self, setting: Setting, values: Mapping[str, Value], origins: Origins) -> None:
        if setting.shape is not Shape.MAP:
            self._set(setting.key, {}, origins(setting.key))
        for name, value in values.items():
            key = (*setting.key, name)
            inner = self.catalogue.find(key)
            if setting.shape is Shape.MAP:
                self.put_entry(key, value, origins(key))
            elif inner:
                self.put(inner, value, origins)
            elif setting.shape is Shape.GROUPS:
                self.refuse(key, origins(key), f"found the name '{name}'", f"expected {NAMES}")
            else:
                self.refuse(key, origins(key), f"unknown key '{name}'", nearest_key(key, self.catalogue))

    def _set(self, key: Key, value: Value, origin: Origin) -> None:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                redaction.learn(*secrets_in(key, text, self.catalogue))
        for size in range(1, len(key)):
            above = self.given.get(key[:size])
            if above and above.value is None:
                self.given[key[:size]] = Given({}, origin)
        self.given[key] = Given(value, origin)

    def _show(self, key: Key, value: Value) -> str:
        return show(key, value, self.catalogue)

    def _drop(self, key: Key) -> None:
        self.given = {other: given for other, given in self.given.items() if other[: len(key)] != key}


def read_environment(sources: Sources, environ: Mapping[str, str]) -> None:
    """Add the values of the `SCORER_` variables to the sources, groups before their members."""
    variables = sorted((name for name in environ if name.startswith(PREFIX)), key=lambda name: (name.count("__"), name))
    for name in variables:
        key = tuple(name.removeprefix(PREFIX).lower().split("__"))
        setting = sources.catalogue.find(key)
        if setting and setting.variable == name:
            sources.put(setting, _text(environ[name]), _always(Origin(name, name)))
        else:
            hint = _variable_hint(name, sources.catalogue.beside(key))
            sources.problems.append(Problem(name, "unknown variable", hint))


def read_flags(sources: Sources, flags: Iterable[str]) -> None:
    """Add the values of the `--set` flags (PATH=VALUE) to the sources, in their order."""
    for flag in flags:
        path, equals, text = flag.partition("=")
        origin = Origin("--set", f"--set {path}")
        key = tuple(path.split("."))
        setting = sources.catalogue.around(key)
        if not equals:
            shown = re.match(r"[\w.-]*", path)  # the rest may be a value, and secret
            where_given = f"--set {shown[0] if shown else ''}"
            sources.problems.append(Problem(where_given, "no value", "expected --set PATH=VALUE"))
        elif setting.key == key:
            sources.put(setting, _text(text), _always(origin))
        elif setting.shape is Shape.MAP:
            entry = ".".join(key[len(setting.key) :])
            sources.put_entry((*setting.key, entry), _text(text), origin)
        elif setting.shape is Shape.GROUPS:
            what = f"found the name '{key[len(setting.key)]}'"
            sources.problems.append(Problem(f"--set {path}", what, f"expected {NAMES}"))
        else:
            known = [setting.dotted for setting in sources.catalogue.beside(key)]
            sources.problems.append(Problem(f"--set {path}", f"unknown key '{path}'", nearest_or_all(path, known)))


def _variable_hint(name: str, known: Iterable[Setting]) -> str:
    if name.startswith(("SCORER_SERVICE_", "SCORER_PORT")):
        return "Kubernetes sets it for a Service named scorer: put `enableServiceLinks: false` into the pod"
    for setting in known:
        if setting.shape is Shape.MAP and name.startswith(f"{setting.variable}__"):
            return f"set {setting.variable} to a JSON map"
    return nearest_or_all(name.upper(), [setting.variable for setting in known])


def _always(origin: Origin) -> Origins:
    return lambda _key: origin


def _text(value: str) -> Value:
    return None if value == "null" else value


def _from_json(text: str) -> Value:
    return _as_text(
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_without_duplicates)
    )


class _DuplicateKey(ValueError):
    """A JSON object has the same key twice."""


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise _DuplicateKey(name)
        values[name] = value
    return values


def _as_text(value: object) -> Value:
    """Return a JSON value with its numbers and booleans as text."""
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
