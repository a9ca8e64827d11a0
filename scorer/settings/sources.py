"""Collects values from the file, the environment and flags, each with its origin; later sources override earlier ones.

Every value is text or null until its setting gives it a type. So the file, a variable and a flag mean the same, and
YAML does not guess: `version: 1.10` stays 1.10 and `group_id: no` is not a boolean.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scorer import redaction
from scorer.errors import Problem
from scorer.settings.catalogue import CATALOGUE, PREFIX, Key, Setting, Shape
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
    """One value from a source. The value of a group is {} or null; a map has one value for each entry."""

    value: Value
    origin: Origin


class Sources:
    """The values given so far. A later value wins; a map or a group changes only the keys that it names.

    problems: the problems of values and keys.
    refused: the keys with a problem.
    """

    def __init__(self) -> None:
        self.given: dict[Key, Given] = {}
        self.problems: list[Problem] = []
        self.refused: set[Key] = set()

    def put(self, setting: Setting, value: Value, origins: Origins) -> None:
        """Set the value of a setting or a group; a text for a list, a map or a group is parsed as JSON."""
        origin = origins(setting.key)
        if setting.shape is not Shape.SCALAR and isinstance(value, str):
            try:
                value = _from_json(value)
            except (ValueError, RecursionError):
                # The text of a map is not shown: it may contain a password.
                found = show(setting.key, value) if setting.shape is Shape.LIST else "text that is not JSON"
                self.refuse(setting.key, origin, f"found {found}", f"expected {setting.expects}")
                return
        if setting.shape in {Shape.SCALAR, Shape.LIST}:
            self._set(setting.key, value, origin)
        elif isinstance(value, dict):
            self._put_each(setting, value, origins)
        elif value is None and setting.nullable:
            self._drop(setting.key)
            self._set(setting.key, None, origin)
        else:
            self.refuse(setting.key, origin, f"found {show(setting.key, value)}", f"expected {setting.expects}")

    def put_entry(self, key: Key, value: Value, origin: Origin) -> None:
        """Set one entry of a map; null removes it."""
        if value is None:
            self._drop(key)
        elif isinstance(value, str):
            self._set(key, value, origin)
        else:
            self.refuse(key, origin, f"found {show(key, value)}", "expected text, a number, true or false")

    def refuse(self, key: Key, origin: Origin, what: str, expected: str) -> None:
        """Add a problem of a key or its value."""
        self.problems.append(Problem(where(key, origin.place), what, expected))
        self.refused.add(key)

    def _put_each(self, setting: Setting, values: Mapping[str, Value], origins: Origins) -> None:
        if setting.shape is Shape.GROUP:
            self._set(setting.key, {}, origins(setting.key))
        for name, value in values.items():
            key = (*setting.key, name)
            if setting.shape is Shape.MAP:
                self.put_entry(key, value, origins(key))
            elif key in CATALOGUE:
                self.put(CATALOGUE[key], value, origins)
            else:
                self.refuse(key, origins(key), f"unknown key '{name}'", nearest_key(key))

    def _set(self, key: Key, value: Value, origin: Origin) -> None:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                redaction.learn(*secrets_in(key, text))
        for size in range(1, len(key)):
            above = self.given.get(key[:size])
            if above and above.value is None:
                self.given[key[:size]] = Given({}, origin)
        self.given[key] = Given(value, origin)

    def _drop(self, key: Key) -> None:
        self.given = {other: given for other, given in self.given.items() if other[: len(key)] != key}


def read_environment(sources: Sources, environ: Mapping[str, str]) -> None:
    """Add the values of the `SCORER_` variables to the sources, groups before their members."""
    known = {setting.variable: setting for setting in CATALOGUE.values() if setting.key}
    variables = sorted((name for name in environ if name.startswith(PREFIX)), key=lambda name: (name.count("__"), name))
    for name in variables:
        if name in known:
            sources.put(known[name], _text(environ[name]), _always(Origin(name, name)))
        else:
            sources.problems.append(Problem(name, "unknown variable", _variable_hint(name, known)))


def read_flags(sources: Sources, flags: Iterable[str]) -> None:
    """Add the values of the `--set` flags (PATH=VALUE) to the sources, in their order."""
    known = {setting.dotted: setting for setting in CATALOGUE.values() if setting.key}
    maps = [setting for setting in known.values() if setting.shape is Shape.MAP]
    for flag in flags:
        path, equals, text = flag.partition("=")
        origin = Origin("--set", f"--set {path}")
        around = next((setting for setting in maps if path.startswith(f"{setting.dotted}.")), None)
        if not equals:
            shown = re.match(r"[\w.-]*", path)  # the rest may be a value, and secret
            where_given = f"--set {shown[0] if shown else ''}"
            sources.problems.append(Problem(where_given, "no value", "expected --set PATH=VALUE"))
        elif path in known:
            sources.put(known[path], _text(text), _always(origin))
        elif around:
            sources.put_entry((*around.key, path.removeprefix(f"{around.dotted}.")), _text(text), origin)
        else:
            sources.problems.append(Problem(f"--set {path}", f"unknown key '{path}'", nearest_or_all(path, known)))


def _variable_hint(name: str, known: Mapping[str, Setting]) -> str:
    if name.startswith(("SCORER_SERVICE_", "SCORER_PORT")):
        return "Kubernetes sets it for a Service named scorer: put `enableServiceLinks: false` into the pod"
    for variable, setting in known.items():
        if setting.shape is Shape.MAP and name.startswith(f"{variable}__"):
            return f"set {variable} to a JSON map"
    return nearest_or_all(name.upper(), known)


def _always(origin: Origin) -> Origins:
    return lambda _key: origin


def _text(value: str) -> Value:
    return None if value == "null" else value


def _from_json(text: str) -> Value:
    return _as_text(json.loads(text, parse_int=str, parse_float=str, parse_constant=str))


def _as_text(value: object) -> Value:
    """Return a JSON value with its numbers and booleans as text."""
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
