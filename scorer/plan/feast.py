"""Entities whose features Feast keeps: the binary key that it makes from join keys, and the names of its features.

A key has, in this order: how many join keys there are; their names, sorted; their values in that order, each with its
type; the name of the project. This is version 3 of Feast's serialisation, the only one that it still reads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scorer.batch import Field, Kind
from scorer.errors import Problem
from scorer.plan.keys import Encoding, KeyTemplate, Part

_STRING = 2  # the type of names
_MOST_JOIN_KEYS = 16  # of a key that is taken for one of Feast's
# By the type of a join key in the plan: its number in Feast, how its value is encoded, and the kinds of event fields
# that it can be made from.
_TYPES: Mapping[str, tuple[int, Encoding, tuple[Kind, ...]]] = {
    "bytes": (1, Encoding.SIZED, (Kind.BYTES, Kind.TEXT)),
    "string": (2, Encoding.SIZED, (Kind.TEXT, Kind.ENUM, Kind.INTEGER)),
    "int32": (3, Encoding.INT32, (Kind.INTEGER,)),
    "int64": (4, Encoding.INT64, (Kind.INTEGER,)),
    "unix_timestamp": (8, Encoding.SECONDS, (Kind.TIMESTAMP, Kind.DATE, Kind.INTEGER)),
}
_NAMES = {
    Kind.BYTES: "bytes", Kind.TEXT: "a string", Kind.ENUM: "an enum", Kind.INTEGER: "an int or a long",
    Kind.TIMESTAMP: "a timestamp", Kind.DATE: "a date",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JoinKey:
    """One join key of an entity.

    name: its name in Feast.
    type: its type in Feast, as the plan names it.
    path: the event field with its value.
    """

    name: str
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class FeastKey(KeyTemplate):
    """The key of Feast for some join keys.

    join_keys: sorted by name.
    """

    join_keys: tuple[JoinKey, ...] = ()

    @classmethod
    def of(cls, project: str, join_keys: Sequence[JoinKey]) -> "FeastKey":
        """Return the key of some join keys in a project of Feast."""
        ordered = tuple(sorted(join_keys, key=lambda each: each.name))
        pieces: list[bytes | Part] = []
        names = [each.name.encode() for each in ordered]
        literal = _uint32(len(names)) + b"".join(_uint32(_STRING) + _uint32(len(name)) + name for name in names)
        for each in ordered:
            number, encoding, _ = _TYPES[each.type]
            literal += _uint32(number) + (_uint32(encoding.width) if encoding.width else b"")
            pieces += [literal, Part(each.path, encoding=encoding)]
            literal = b""
        text = ", ".join(f"{each.name}={{{each.path}}}" for each in ordered)
        return cls(f"{text} of project {project}", (*pieces, project.encode()), ordered)

    @property
    def grant(self) -> bytes:
        """The keys of the whole project: the bytes before its name cannot be typed."""
        return b"*" + KeyTemplate("", self.pieces[-1:]).pattern

    def owns(self, key: bytes) -> bool:
        """Whether a key has these join keys and is of this project."""
        return self._values(key) is not None

    def readable(self, key: bytes) -> str:
        r"""Return a key as `hour=17, origin=JFK`; a comma or a backslash in a text has a backslash before it."""
        values = self._values(key)
        if values is None:
            return key.decode(errors="backslashreplace")
        return ", ".join(f"{each.name}={value}" for each, value in zip(self.join_keys, values, strict=True))

    def problems(self, fields: Mapping[str, Field], why_not: Callable[[str], str], where: str) -> Iterator[Problem]:
        """Yield which join keys cannot be made from the event schema."""
        for each in self.join_keys:
            _, _, kinds = _TYPES[each.type]
            here = f"{where}.{each.name}"
            if each.path not in fields:
                advice = f"expected a field of the event; for another name write {{type: {each.type}, event: FIELD}}"
                yield Problem(here, f"'{each.path}': {why_not(each.path)}", advice)
            elif fields[each.path].kind not in kinds:
                kind = fields[each.path].kind.name.lower()
                what = f"'{each.path}' is of kind {kind}, which cannot be a join key of type {each.type}"
                yield Problem(here, what, f"use {' or '.join(_NAMES[kind] for kind in kinds)}")

    def _values(self, key: bytes) -> list[str] | None:
        """Return the values in a key as text; None if it is not a key of this form."""
        values: list[str] = []
        at = 0
        for piece in self.pieces:
            if isinstance(piece, bytes):
                if key[at : at + len(piece)] != piece:
                    return None
                at += len(piece)
            elif piece.encoding.width:
                start, at = at, at + piece.encoding.width
                values.append(str(int.from_bytes(key[start:at], "little", signed=True)))
            else:
                start = at + len(_uint32(0))
                at = start + int.from_bytes(key[at:start], "little")
                escaped = key[start:at].replace(b"\\", rb"\\").replace(b",", rb"\,")
                values.append(escaped.decode(errors="backslashreplace"))
        return values if at == len(key) else None


def kinds_of(type_: str) -> tuple[Kind, ...]:
    """Return the kinds of event fields that a join key of a type can be made from."""
    return _TYPES[type_][2]


def join_keys_in(key: bytes) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Return the project and the join keys of a key that Feast made, each with its type; None for any other key."""
    types = {number: name for name, (number, _, _) in _TYPES.items()}
    at = 0

    def number() -> int:
        nonlocal at
        at += 4
        return int.from_bytes(key[at - 4 : at], "little")

    def text() -> str:
        nonlocal at
        size = number()
        at += size
        return key[at - size : at].decode()

    try:
        count = number()
        if not 0 < count <= _MOST_JOIN_KEYS:
            return None
        names = [text() for _ in range(count) if number() == _STRING]
        found = []
        for name in names:
            type_ = types[number()]
            found.append((name, type_))
            size = number()
            at += size
        project = key[at:].decode()
    except (KeyError, UnicodeDecodeError):
        return None
    whole = len(found) == count and at < len(key) and project.isprintable() and all(map(str.isprintable, names))
    return (project, tuple(found)) if whole else None


def feature_faults(fields: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield which features do not name their view: the key, what was found, and what was expected."""
    for at, field in enumerate(fields):
        view, colon, feature = field.partition(":")
        if not (view and colon and feature) or ":" in feature:
            yield f"fields[{at}]", f"found '{field}'", "expected the view and the feature, such as plane_stats:seats"


def _uint32(number: int) -> bytes:
    return number.to_bytes(4, "little")
