"""Reads the text of an Avro schema, and refuses what is not one before any library sees it."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from scorer.avro.grammar import (
    ABSENT,
    LARGEST,
    PRIMITIVES,
    Array,
    Map,
    Member,
    Record,
    Scalar,
    Type,
    Union,
    logical_type,
)
from scorer.errors import Misconfigured, Problem

DEEPEST = 100  # types inside each other
MOST = 100_000  # types in all, a named one counted wherever it is used
_NAME = "expected a name of letters, digits and _"


def read_schema(text: str, where: str) -> tuple[Record, dict[str, Any]]:
    """Read the text of a schema.

    Returns:
        The record, and the schema's JSON without what other libraries stumble over: logical types that are to be
        ignored, references inside an object, whole numbers as defaults of floating-point fields.

    Raises:
        Misconfigured: it is not an Avro schema, its top level is not a record, or it is recursive.
    """
    top = _Place(where)
    try:
        holder = [json.loads(text)]
        kind = _Reader().read(holder, 0, top)
        if not isinstance(kind, Record):
            top.refuse(f"the top level is {shown(holder[0])}", "the schema of an event is a record")
    except (ValueError, OverflowError) as error:
        top.refuse(f"not JSON: {error}", "an Avro schema is JSON")
    except RecursionError:
        top.refuse_depth()
    return kind, holder[0]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema a type stands."""

    file: str
    path: str = ""  # of the field
    space: str = ""  # the namespace around it
    depth: int = 0

    def inside(self, path: str) -> "_Place":
        return replace(self, path=path, depth=self.depth + 1)

    def refuse(self, what: str, expected: str) -> NoReturn:
        where = f"{self.file}: field '{self.path}'" if self.path else self.file
        raise Misconfigured([Problem(where, what, expected)])

    def refuse_depth(self) -> NoReturn:
        self.refuse("types are nested too deep", f"at most {DEEPEST} inside each other")


class _Reader:
    """Reads JSON into types and remembers the named ones."""

    def __init__(self) -> None:
        self._named: dict[str, Type | None] = {}  # by full name; None while it is being read
        self._weights: Counter[str] = Counter()  # types inside each
        self._count = 0

    def read(self, holder: Any, key: Any, at: _Place) -> Type:  # noqa: ANN401  an object or a list of JSON
        """Read the type that stands in `holder[key]`."""
        if at.depth > DEEPEST:
            at.refuse_depth()
        self._add(1, at)
        declared = holder[key]
        if isinstance(declared, dict) and isinstance(declared.get("type"), str):
            if read := _DECLARED.get(declared["type"]):
                return read(self, declared, at)
            holder[key] = declared = declared["type"]
        if isinstance(declared, list):
            return self._union(declared, at)
        if not isinstance(declared, str):
            at.refuse(f"{shown(declared)} is not a type", 'expected a name, a list, or {"type": "<name>", ...}')
        return Scalar(declared) if declared in PRIMITIVES else self._reference(_full(declared, at.space), at)

    def _add(self, types: int, at: _Place) -> None:
        self._count += types
        if self._count > MOST:
            at.refuse("the schema is too large", f"at most {MOST} types, a named one counted wherever it is used")

    def _reference(self, name: str, at: _Place) -> Type:
        if name not in self._named:
            at.refuse(f"unknown type '{name}'", "expected an Avro type, or a name that stands further up in the schema")
        kind = self._named[name]
        if kind is None:
            at.refuse(f"'{name}' contains itself", "recursive schemas are not supported")
        self._add(self._weights[name], at)
        return kind

    def _union(self, declared: list[Any], at: _Place) -> Union:
        branches = tuple(self.read(declared, index, at.inside(at.path)) for index in range(len(declared)))
        if any(isinstance(branch, Union) for branch in branches):
            at.refuse("a union directly inside a union", "expected all branches in one list")
        if twice := _repeated(filter(None, map(_unnamed, branches))):
            at.refuse(f"a union with '{twice}' twice", "expected each once; only named types may repeat")
        return Union(branches)

    def _primitive(self, declared: dict[str, Any], _: _Place) -> Scalar:
        return _scalar(declared)

    def _array(self, declared: dict[str, Any], at: _Place) -> Array:
        _need("items", declared, at)
        return Array(self.read(declared, "items", at.inside(f"{at.path}[]")))

    def _map(self, declared: dict[str, Any], at: _Place) -> Map:
        _need("values", declared, at)
        return Map(self.read(declared, "values", at.inside(f"{at.path}[]")))

    def _enum(self, declared: dict[str, Any], at: _Place) -> Scalar:
        name, symbols = self._define(declared, at), declared.get("symbols")
        if not isinstance(symbols, list) or not all(map(_is_name, symbols)) or _repeated(symbols):
            at.refuse(f"'{name}' has the symbols {shown(symbols)}", "expected a list of different names")
        self._named[name] = kind = _scalar(declared, symbols=tuple(symbols))
        return kind

    def _fixed(self, declared: dict[str, Any], at: _Place) -> Scalar:
        name, size = self._define(declared, at), declared.get("size")
        if type(size) is not int or not 0 <= size <= LARGEST:
            at.refuse(f"'{name}' has the size {shown(size)}", f"expected a number of bytes, 0 to {LARGEST}")
        self._named[name] = kind = _scalar(declared, size=size)
        return kind

    def _record(self, declared: dict[str, Any], at: _Place) -> Record:
        name, fields, before = self._define(declared, at), declared.get("fields"), self._count
        if not isinstance(fields, list):
            at.refuse(f"'{name}' has the fields {shown(fields)}", "expected a list")
        within = replace(at, space=name.rpartition(".")[0])
        members = tuple(self._member(field, index, within) for index, field in enumerate(fields))
        if twice := _repeated(member.name for member in members):
            at.refuse(f"'{name}' has the field '{twice}' twice", "expected different names")
        self._named[name] = kind = Record(members)
        self._weights[name] = self._count - before
        return kind

    def _member(self, field: Any, index: int, at: _Place) -> Member:  # noqa: ANN401  JSON
        name = field.get("name") if isinstance(field, dict) else None
        if not _is_name(name):
            at.refuse(f"fields[{index}] is {shown(field)}", _NAME)
        within = at.inside(f"{at.path}.{name}" if at.path else str(name))
        _need("type", field, within)
        kind = self.read(field, "type", within)
        if isinstance(kind, Scalar) and kind.base in {"float", "double"} and type(field.get("default")) is int:
            field["default"] = float(field["default"])
        return Member(str(name), kind, field.get("default", ABSENT))

    def _define(self, declared: dict[str, Any], at: _Place) -> str:
        """Take note of a named type that is about to be read, and return its full name."""
        name, space = declared.get("name"), declared.get("namespace", at.space)
        if not isinstance(name, str) or not isinstance(space, str):
            at.refuse(f"a type named {shown(name)} in the namespace {shown(space)}", "expected text for both")
        full = _full(name, space)
        if not all(map(_is_name, full.split("."))):
            at.refuse(f"a type named {shown(full)}", _NAME)
        if full in self._named:
            at.refuse(f"'{full}' is declared twice", "expected its name alone where it is used again")
        self._named[full] = None
        return full


_DECLARED: Mapping[str, Callable[[_Reader, dict[str, Any], _Place], Type]] = {
    **dict.fromkeys(PRIMITIVES, _Reader._primitive),  # noqa: SLF001  the reader's own table
    "array": _Reader._array,  # noqa: SLF001
    "map": _Reader._map,  # noqa: SLF001
    "enum": _Reader._enum,  # noqa: SLF001
    "fixed": _Reader._fixed,  # noqa: SLF001
    "record": _Reader._record,  # noqa: SLF001
}


def _scalar(declared: dict[str, Any], symbols: tuple[str, ...] = (), size: int = 0) -> Scalar:
    """Make a scalar, and take from its JSON a logical type that is to be ignored."""
    logical = logical_type(declared)
    if not logical:
        declared.pop("logicalType", None)
    if logical != "decimal":
        return Scalar(declared["type"], logical, symbols, size)
    return Scalar(declared["type"], logical, symbols, size, declared["precision"], declared.get("scale", 0))


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()


def _need(key: str, declared: dict[str, Any], at: _Place) -> None:
    if key not in declared:
        at.refuse(f"no '{key}' in {shown(declared)}", "expected a type there")


def _unnamed(kind: Type) -> str:
    """The word of a type that can be only once in a union; empty for named ones."""
    match kind:
        case Scalar(base="enum" | "fixed") | Record():
            return ""
        case Scalar():
            return kind.base
        case _:
            return type(kind).__name__.lower()


def _repeated(words: Iterable[str]) -> str:
    return next((word for word, times in Counter(words).items() if times > 1), "")


def shown(value: object) -> str:
    """Return JSON as a line of an error has room for."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004  what a line of an error holds
