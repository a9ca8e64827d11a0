"""The configuration file: YAML with scalars kept as text, the line of every key, and `${VAR}` replaced."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from scorer.documents.files import read_text
from scorer.documents.yaml import compose
from scorer.errors import Misconfigured, Problem
from scorer.security import redaction
from scorer.settings.catalogue import Key
from scorer.settings.masking import conceals, is_secret
from scorer.settings.sources import Origin, Sources, Value

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\{[^}]*\}?)")
_STANDARD_TAG = "tag:yaml.org,2002:"
_DEEPEST = 8  # a configuration has fewer levels; a YAML alias that refers to a parent has no end


def read_file(sources: Sources, path: Path, environ: Mapping[str, str]) -> None:
    """Add the values of a YAML file to the sources.

    Raises:
        Misconfigured: the file cannot be read or is not YAML.
    """
    root = _compose(path)
    if root is not None:
        document = _Document(sources, path.name, environ)
        sources.put(sources.catalogue[()], document.value((), root), document.origin)


def _compose(path: Path) -> yaml.Node | None:
    """Return the file's YAML as nodes, which have their line and whether they are quoted."""
    try:
        return compose(read_text(path, "utf-8"), str(path))
    except FileNotFoundError:
        raise Misconfigured([Problem(str(path), "no such file", "name the configuration with -c FILE")]) from None
    except OSError as error:
        raise Misconfigured([Problem(str(path), f"cannot be read: {error.strerror}", "expected a YAML file")]) from None
    except UnicodeDecodeError as error:
        raise Misconfigured([Problem(str(path), f"is not YAML: {error}", "expected UTF-8 text")]) from None


class _Document:
    """Converts the nodes of one file to plain values, and notes the line of every key."""

    def __init__(self, sources: Sources, name: str, environ: Mapping[str, str]) -> None:
        self.sources = sources
        self.name = name
        self.environ = environ
        self.lines: dict[Key, int] = {}

    def origin(self, key: Key) -> Origin:
        """Return the line of a key in the file; within JSON, that of the text."""
        line = next(self.lines[key[:size]] for size in range(len(key), -1, -1) if key[:size] in self.lines)
        return Origin("file", f"{self.name} line {line}")

    def value(self, key: Key, node: yaml.Node) -> Value:
        """Return a node's value, with every scalar but null as text."""
        self.lines[key] = node.start_mark.line + 1
        if not node.tag.startswith(_STANDARD_TAG):
            what = "an unknown tag" if conceals(key, self.sources.catalogue) else f"unknown tag {node.tag}"
            self._refuse(key, what, "expected a plain value; quote one that begins with !")
        elif len(key) > _DEEPEST:
            self._refuse(key, "nested too deeply", "expected a list or map of plain values")
        elif isinstance(node, yaml.ScalarNode):
            return None if node.tag == f"{_STANDARD_TAG}null" else self._replaced(key, node.value)
        elif isinstance(node, yaml.SequenceNode):
            return [self.value((*key, str(index)), item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            return self._map(key, node)
        return None

    def _map(self, key: Key, node: yaml.MappingNode) -> Value:
        values: dict[str, Value] = {}
        for name, item in node.value:
            inner = (*key, str(name.value))
            if not isinstance(name, yaml.ScalarNode):
                self._refuse(key, "a key that is a list or map", "expected a name")
            elif name.value in values:
                first = self.lines[inner]
                self.lines[inner] = name.start_mark.line + 1
                self._refuse(inner, f"duplicate key, first in line {first}", "keep one of them")
            else:
                values[name.value] = self.value(inner, item)
                self.lines[inner] = name.start_mark.line + 1
        return values

    def _replaced(self, key: Key, text: str) -> str:
        def replacement(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            if not match["name"]:
                self._refuse(key, f"found '{match[0]}'", "expected ${NAME}, or $$ for a dollar sign")
            elif match["name"] in self.environ:
                value = self.environ[match["name"]]
                redaction.learn(*[value] * is_secret(match["name"]))
                return value
            else:
                self._refuse(key, f"the variable {match['name']} is not set", "set it, or write $$ for a dollar sign")
            return match[0]

        return _REFERENCE.sub(replacement, text)

    def _refuse(self, key: Key, what: str, expected: str) -> None:
        self.sources.refuse(key, self.origin(key), what, expected)
