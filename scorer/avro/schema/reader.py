"""Parses the text of an Avro schema into types, and refuses invalid schemas."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from scorer.avro.schema.defaults import Unfit, encode_default
from scorer.avro.schema.place import DEEPEST, Place
from scorer.avro.types.grammar import LARGEST, PRIMITIVES, Array, Link, Map, Member, Record, Scalar, Type, Union
from scorer.avro.types.logical import effective, misplaced
from scorer.avro.types.names import RULE, bad_name, full_name, is_name
from scorer.avro.values.showing import shown
from scorer.errors import Misconfigured, Problem

MOST = 100_000  # types in all, a named one counted wherever it is used


@dataclass(frozen=True, slots=True)
class ParsedSchema:
    """A parsed schema.

    kind:     the type at its top level.
    concerns: warnings about things that are allowed but hardly intended.
    """

    kind: Type
    concerns: tuple[Problem, ...]


def read_schema(text: str, where: str, *, foreign: bool = False, before: Sequence[str] = ()) -> ParsedSchema:
    """Read the text of a schema.

    Args:
        text: the schema, as JSON.
        where: the schema's name in errors.
        foreign: whether it comes from a container file, whose events were written with it. Then names and defaults are
            not checked, and types may contain themselves, at a `Link`.
        before: the texts of schemas whose types it uses by name, in an order in which each uses only earlier ones.

    Raises:
        Misconfigured: the text is not an Avro schema, or is too large; with every default that does not fit its type.
    """
    top, reader = Place(where), _Reader(foreign=foreign)
    try:
        for other in before:
            reader.read(json.loads(other), top)
        kind = reader.read(json.loads(text), top)
    except (ValueError, OverflowError) as error:
        top.refuse(f"not JSON: {error}", "an Avro schema is JSON")
    except RecursionError:
        top.refuse_depth()
    if reader.problems:
        raise Misconfigured(reader.problems)
    return ParsedSchema(kind, tuple(reader.concerns))


class _Reader:
    """Parses JSON into types, and remembers the named ones."""

    def __init__(self, *, foreign: bool) -> None:
        self.problems: list[Problem] = []
        self.concerns: list[Problem] = []
        self._foreign = foreign
        self._named: dict[str, Type | None] = {}  # by full name; None while it is being read
        self._weights: Counter[str] = Counter()  # the number of types inside each
        self._count = 0

    def read(self, declared: Any, at: Place) -> Type:  # noqa: ANN401  JSON
        """Read a type."""
        if at.depth > DEEPEST:
            at.refuse_depth()
        self._add(1, at)
        if isinstance(declared, dict) and isinstance(declared.get("type"), str):
            if read := _DECLARED.get(declared["type"]):
                return read(self, declared, at)
            declared = declared["type"]
        if isinstance(declared, list):
            return self._union(declared, at)
        if not isinstance(declared, str):
            at.refuse(f"{shown(declared)} is not a type", 'expected a name, a list, or {"type": "<name>", ...}')
        return Scalar(declared) if declared in PRIMITIVES else self._reference(full_name(declared, at.space), at)

    def _add(self, types: int, at: Place) -> None:
        self._count += types
        if self._count > MOST:
            at.refuse("the schema is too large", f"at most {MOST} types, a named one counted wherever it is used")

    def _reference(self, name: str, at: Place) -> Type:
        if name not in self._named:
            at.refuse(
                f"unknown type '{name}'", "expected an Avro type, or a name that is defined earlier in the schema"
            )
        kind = self._named[name]
        if kind is None and self._foreign:
            return cast("Type", Link(name, self._named))
        if kind is None:
            at.refuse(f"'{name}' contains itself", "recursive schemas are not supported")
        self._add(self._weights[name], at)
        return kind

    def _union(self, declared: list[Any], at: Place) -> Union:
        branches = tuple(self.read(branch, at.inside(at.path)) for branch in declared)
        if any(isinstance(branch, Union) for branch in branches):
            at.refuse("a union directly inside a union", "expected all branches in one list")
        if twice := _repeated(filter(None, map(_unnamed, branches))):
            at.refuse(f"a union with '{twice}' twice", "expected each once; only named types may repeat")
        return Union(branches)

    def _primitive(self, declared: dict[str, Any], at: Place) -> Scalar:
        return self._scalar(Scalar(declared["type"]), declared, at)

    def _array(self, declared: dict[str, Any], at: Place) -> Array:
        _need("items", declared, at)
        return Array(self.read(declared["items"], at.inside(f"{at.path}[]")))

    def _map(self, declared: dict[str, Any], at: Place) -> Map:
        _need("values", declared, at)
        return Map(self.read(declared["values"], at.inside(f"{at.path}[]")))

    def _enum(self, declared: dict[str, Any], at: Place) -> Scalar:
        name, aliases = self._define(declared, at)
        symbols, fallback = declared.get("symbols"), declared.get("default", "")
        if not isinstance(symbols, list) or not all(map(self._may_be_name, symbols)) or _repeated(symbols):
            at.refuse(f"'{name}' has the symbols {shown(symbols)}", "expected a list of different names")
        if "default" in declared and fallback not in symbols and not self._foreign:
            at.refuse(f"'{name}' has the default {shown(fallback)}", "expected one of its symbols")
        kind = Scalar("enum", symbols=tuple(symbols), name=name, aliases=aliases, fallback=str(fallback))
        self._named[name] = kind = self._scalar(kind, declared, at)
        return kind

    def _fixed(self, declared: dict[str, Any], at: Place) -> Scalar:
        (name, aliases), size = self._define(declared, at), declared.get("size")
        if type(size) is not int or not 0 <= size <= LARGEST:
            at.refuse(f"'{name}' has the size {shown(size)}", f"expected a number of bytes, 0 to {LARGEST}")
        kind = Scalar("fixed", size=size, name=name, aliases=aliases)
        self._named[name] = kind = self._scalar(kind, declared, at)
        return kind

    def _record(self, declared: dict[str, Any], at: Place) -> Record:
        (name, aliases), fields, before = self._define(declared, at), declared.get("fields"), self._count
        if not isinstance(fields, list):
            at.refuse(f"'{name}' has the fields {shown(fields)}", "expected a list")
        within = replace(at, space=name.rpartition(".")[0])
        members = tuple(self._member(field, index, within) for index, field in enumerate(fields))
        if twice := _repeated(member.name for member in members):
            at.refuse(f"'{name}' has the field '{twice}' twice", "expected different names")
        self._named[name] = kind = Record(members, name, aliases)
        self._weights[name] = self._count - before
        return kind

    def _member(self, field: Any, index: int, at: Place) -> Member:  # noqa: ANN401  JSON
        name = field.get("name") if isinstance(field, dict) else None
        if not self._may_be_name(name):
            at.refuse(f"fields[{index}] is {shown(field)}", f"expected an object with a name: {RULE}")
        within = at.inside(f"{at.path}.{name}" if at.path else str(name))
        _need("type", field, within)
        kind = self.read(field["type"], within)
        if note := misplaced(field, kind):
            self.concerns.append(within.problem(*note))
        return Member(str(name), kind, self._default(field, kind, within), self._aliases(field, within))

    def _default(self, field: dict[str, Any], kind: Type, at: Place) -> bytes | None:
        """Return an encoded default; a problem with it is kept until the whole schema is read."""
        if "default" not in field or self._foreign:
            return None
        default = field["default"]
        try:
            encoded = encode_default(kind, default)
        except Unfit as unfit:
            self.problems.append(at.problem(unfit.what, unfit.wanted))
            return b""
        if default == "null" and isinstance(kind, Union) and Scalar("null") in kind.branches:
            self.concerns.append(at.problem('the default is the text "null"', "write null without quotes for no value"))
        return encoded

    def _scalar(self, kind: Scalar, declared: dict[str, Any], at: Place) -> Scalar:
        kind, note = effective(kind, declared)
        if note:
            self.concerns.append(at.problem(*note))
        return kind

    def _may_be_name(self, name: object) -> bool:
        return isinstance(name, str) if self._foreign else is_name(name)

    def _aliases(self, declared: dict[str, Any], at: Place) -> tuple[str, ...]:
        aliases = declared.get("aliases")
        if aliases is None or self._foreign:
            return ()
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            at.refuse(f"the aliases {shown(aliases)}", "expected a list of names")
        return tuple(aliases)

    def _define(self, declared: dict[str, Any], at: Place) -> tuple[str, tuple[str, ...]]:
        """Register a named type that is about to be read; return its full name and its aliases."""
        name, space = declared.get("name"), declared.get("namespace")
        if not isinstance(name, str) or not isinstance(space, str | None):
            at.refuse(f"a type named {shown(name)} in the namespace {shown(space)}", "expected text for both")
        full = full_name(name, at.space if space is None else space)
        if not self._foreign and (wrong := bad_name(full)):
            at.refuse(*wrong)
        if full in self._named:
            at.refuse(f"'{full}' is declared twice", "use only its name from the second time on")
        self._named[full] = None
        own = full.rpartition(".")[0]
        return full, tuple(full_name(alias, own) for alias in self._aliases(declared, at))


_DECLARED: Mapping[str, Callable[[_Reader, dict[str, Any], Place], Type]] = {
    **dict.fromkeys(PRIMITIVES, _Reader._primitive),  # noqa: SLF001  the reader's own table
    "array": _Reader._array,  # noqa: SLF001
    "map": _Reader._map,  # noqa: SLF001
    "enum": _Reader._enum,  # noqa: SLF001
    "fixed": _Reader._fixed,  # noqa: SLF001
    "record": _Reader._record,  # noqa: SLF001
    "error": _Reader._record,  # noqa: SLF001  a record that a protocol sends as an error
}


def _need(key: str, declared: dict[str, Any], at: Place) -> None:
    if key not in declared:
        at.refuse(f"no '{key}' in {shown(declared)}", "expected a type there")


def _unnamed(kind: Type | Link) -> str:
    """Return the name of a type that may occur only once in a union; empty for named types."""
    match kind:
        case Scalar(base="enum" | "fixed") | Record() | Link():
            return ""
        case Scalar():
            return kind.base
        case _:
            return type(kind).__name__.lower()


def _repeated(words: Iterable[str]) -> str:
    return next((word for word, times in Counter(words).items() if times > 1), "")
