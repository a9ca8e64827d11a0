"""Reads YAML 1.2, in which `NO` is text and `1e-3` is a number, and reports duplicate keys."""

import re
import reprlib

import yaml

from scorer.errors import Misconfigured, Problem

_MAX_CHARS = 4_000_000  # enough for thirty thousand columns


def read(text: str, where: str) -> tuple[object, list[Problem]]:
    """Return the value of a YAML document, in the scalar types of YAML 1.2, and a problem for every duplicate key.

    Raises:
        Misconfigured: it is not YAML.
    """
    if len(text) > _MAX_CHARS:
        raise Misconfigured([Problem(where, f"has {len(text)} characters", f"expected at most {_MAX_CHARS}")])
    loader = None
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Misconfigured([Problem(where + place, f"is not YAML: {error.problem or error.context}")]) from None
    except yaml.YAMLError as error:
        raise Misconfigured([Problem(where, f"is not YAML: {' '.join(str(error).split())}")]) from None
    except (ValueError, LookupError, AttributeError) as error:  # a number of 5,000 digits, `!!bool maybe`, ...
        raise Misconfigured([Problem(where, f"has an invalid value: {error}")]) from None
    except RecursionError:
        raise Misconfigured([Problem(where, "is nested too deeply", "a few levels are enough")]) from None
    return value, [Problem(f"{where}: line {line}", f"duplicate key {key}") for line, key in loader.duplicates]


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where `NO` is false, `12:30` is 750 and `1e-3` is text; this reads the core of 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own attribute, filled below

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[tuple[int, str]] = []

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
        value.encode()  # raises an error for "\\ud800", which UTF-8 cannot encode
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
