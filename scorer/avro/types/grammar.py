"""The types of an Avro schema."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
LARGEST = 2**31 - 1  # bytes of a fixed, digits of a decimal: an instruction of a program has 32 bits for each
UUID_BYTES = 16
_TICKS = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_UNDER = {  # the base type of each logical type that has only one
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type that contains no other types: a primitive, an enum or a fixed."""

    base: str  # a primitive's name, "enum" or "fixed"
    logical: str = ""  # see `logical_type`
    symbols: tuple[str, ...] = ()  # of an enum
    size: int = 0  # bytes of a fixed
    precision: int = 0  # of a decimal
    scale: int = 0
    name: str = ""  # the full name of an enum or a fixed
    aliases: tuple[str, ...] = ()  # its aliases, as full names
    fallback: str = ""  # of an enum: the default, which replaces unknown symbols

    @property
    def meaning(self) -> str:
        """The logical type without unit or zone ("time", "timestamp"); the base type if there is none."""
        return self.logical.removeprefix("local-").partition("-")[0] or self.base

    @property
    def ticks(self) -> int:
        """The number of ticks in a second, for a time or timestamp."""
        return _TICKS.get(self.logical.rpartition("-")[2], 1)


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """Any number of items."""

    items: "Type"


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Any number of values, each with a text as its key."""

    values: "Type"


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """One of several types."""

    branches: tuple["Type", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A field of a record."""

    name: str
    type: "Type"
    default: bytes | None = None  # the Avro encoding of its default
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record: its fields, in the order in which their values are encoded."""

    members: tuple[Member, ...]
    name: str = ""  # its full name
    aliases: tuple[str, ...] = ()  # its aliases, as full names


Type: TypeAlias = Scalar | Array | Map | Union | Record
NULL = Scalar("null")


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A reference to a type from inside itself; occurs only in the schemas of container files."""

    name: str
    named: Mapping[str, Type | None]

    @property
    def target(self) -> Type:
        """The type that is referred to."""
        target = self.named[self.name]
        assert target is not None  # noqa: S101  set once the whole type was read
        return target


def short(name: str) -> str:
    """Return a full name without its namespace."""
    return name.rpartition(".")[2]


def logical_type(declared: Mapping[str, Any], base: str, size: int = 0) -> str:
    """Return the logical type that a JSON object declares for a base type; empty if it is unknown or invalid.

    The specification demands that those are ignored and the base type is used.

    Args:
        declared: the JSON object.
        base: the base type.
        size: the bytes of a fixed.
    """
    logical = declared.get("logicalType")
    if logical == "uuid":
        valid = base == "string" or (base == "fixed" and size == UUID_BYTES)
    elif logical == "decimal":
        valid = _is_decimal(declared.get("precision"), declared.get("scale", 0), base, size)
    else:
        valid = isinstance(logical, str) and _UNDER.get(logical) == base
    return str(logical) if valid else ""


def is_logical(name: object) -> bool:
    """Whether a logical type of this name exists."""
    return isinstance(name, str) and (name in _UNDER or name in {"uuid", "decimal"})


def _is_decimal(precision: object, scale: object, base: str, size: int) -> bool:
    if type(precision) is not int or type(scale) is not int:
        return False
    digits = {"bytes": LARGEST, "fixed": math.floor(math.log10(2) * (8 * size - 1))}.get(base, 0)
    return 0 < precision <= digits and 0 <= scale <= precision


def without_null(kind: Type) -> tuple[Type, bool]:
    """Return the other type of a union with null, or the type itself; and whether a value may be null."""
    if not isinstance(kind, Union):
        return kind, kind == NULL
    others = [branch for branch in kind.branches if branch != NULL]
    if len(others) > 1 or not kind.branches:
        return kind, False
    return (others[0] if others else NULL), len(others) < len(kind.branches)


def has_bytes(kind: Type | Link) -> bool:
    """Whether values have bytes: those of a type either all have, or none has."""
    match kind:
        case Scalar():
            return kind != NULL and (kind.base != "fixed" or kind.size > 0)
        case Record(members=members):
            return any(has_bytes(member.type) for member in members)
        case _:
            return True
