"""Reads the core of YAML 1.2, as people mean it: `NO` is text, `1e-3` is a number, and a key appears once."""

import re
import reprlib

import yaml

from scorer.errors import Misconfigured, Problem

MOST_CHARACTERS = 4_000_000  # enough for a plan of thirty thousand columns; a longer text is refused
MOST_VALUES = 300_000  # keys and values, enough for the same plan, which take about 250 MB; a text of more is refused
_NAME = re.compile(r""" (?:'[^'<]{2,}'|"[^"<]{2,}")""")  # a quoted name in an error of PyYAML


def compose(text: str, where: str) -> yaml.Node | None:
    """Parse YAML into nodes, which keep line numbers and quotes; return None for an empty document.

    Args:
        text: the document.
        where: what errors call it.

    Raises:
        Misconfigured: it is not YAML, or too long.
    """
    return _compose(_loader(text, where), where)


def construct(text: str, where: str) -> tuple[object, list[Problem]]:
    """Return the value of a YAML document, and a problem for each key that appears twice.

    Args:
        text: the document.
        where: what errors call it.

    Raises:
        Misconfigured: it is not YAML, or too long.
    """
    loader = _loader(text, where)
    node = _compose(loader, where)
    try:
        value = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, where) from None
    except (ValueError, LookupError, AttributeError) as error:  # a number of 5,000 digits, `!!bool maybe`, ...
        raise Misconfigured([Problem(where, f"has an invalid value: {error}")]) from None
    except RecursionError:
        raise Misconfigured([Problem(where, _DEEP)]) from None
    return value, [Problem(f"{where}: line {line}", f"duplicate key {key}") for line, key in loader.duplicates]


_DEEP = "is not YAML: it is nested too deeply"


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where `NO` is false, `12:30` is 750 and `1e-3` is text; this reads the core of 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own attribute, filled below

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[tuple[int, str]] = []
        self._values = 0
        self._sizes: dict[str, int] = {}  # by anchor: how many values its node has

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count values, including those that an alias repeats: a plan is checked as if they stood there."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's gap
        before, anchor, repeated = self._values, getattr(event, "anchor", None), isinstance(event, yaml.AliasEvent)
        self._values += self._sizes.get(str(anchor), 1) if repeated else 1
        if self._values > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} keys and values")
        node: yaml.Node | None = super().compose_node(parent, index)
        if anchor is not None and not repeated:
            self._sizes[str(anchor)] = self._values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002  PyYAML's
        seen: set[tuple[str, object]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    self.duplicates.append((key.start_mark.line + 1, reprlib.repr(key.value)))
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        value: str = super().construct_scalar(node)
        value.encode()  # refuses "\\ud800", which no text can hold
        return value


for _kind, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    (
        "float",
        r"(?:[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _first)


def _loader(text: str, where: str) -> _Loader:
    if len(text) > MOST_CHARACTERS:
        raise Misconfigured([Problem(where, f"has {len(text)} characters", f"at most {MOST_CHARACTERS} are read")])
    try:
        return _Loader(text)
    except yaml.YAMLError as error:
        raise _not_yaml(error, where) from None


def _compose(loader: _Loader, where: str) -> yaml.Node | None:
    try:
        return loader.get_single_node()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _not_yaml(error, where) from None
    except RecursionError:
        raise Misconfigured([Problem(where, _DEEP)]) from None


def _not_yaml(error: Exception, where: str) -> Misconfigured:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Misconfigured([Problem(where, f"is not YAML: {' '.join(str(error).split())}")])
    mark = error.problem_mark or error.context_mark
    place = f"{where}: line {mark.line + 1}, column {mark.column + 1}" if mark else where
    # The name of an alias or a tag is not repeated: a password may begin with * or !.
    what, named = _NAME.subn("", error.problem or error.context or "")
    return Misconfigured(
        [Problem(place, f"is not YAML: {what}", "quote a value that begins with *, & or !" * bool(named))]
    )
