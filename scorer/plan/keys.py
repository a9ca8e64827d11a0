"""Key templates: build an entity's key in Redis from the fields of an event.

`weather:{origin}:{hour|%Y%m%d%H}` has two parts, `origin` as its text and `hour` in a format of strftime, in UTC.
`{{` and `}}` stand for braces. The parts are checked against the event schema at the start.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from scorer.batch import Field, Kind
from scorer.errors import Problem

_PIECE = re.compile(r"(\{\{|\}\})|\{([^{}]*)\}|([{}])")
_DIRECTIVE = re.compile(r"%-?(.)?", re.DOTALL)
# Every allowed directive, and the seconds, counted from midnight, for which its text stays the same; 0: under a second.
_DATE_DIRECTIVES = dict.fromkeys("aAwdbBmyYjUWGVuDFCeh", 86400)
_TIME_DIRECTIVES = (
    dict.fromkeys("HIp", 3600) | dict.fromkeys("MR", 60) | dict.fromkeys("STXr", 1) | {"f": 0, "%": 86400}
)
_STEPS = _DATE_DIRECTIVES | _TIME_DIRECTIVES | {"c": 1, "x": 86400, "z": 86400, "Z": 86400}

_TEXTS = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN}
_MOMENTS = {Kind.DATE, Kind.TIME, Kind.TIMESTAMP}


class Encoding(Enum):
    """How a field stands in a key; numbers are little-endian."""

    TEXT = auto()  # its text
    SIZED = auto()  # the length of its text in bytes, uint32, then the text
    INT32 = auto()
    INT64 = auto()
    SECONDS = auto()  # a time as Unix seconds, int64

    @property
    def width(self) -> int:
        """How many bytes a number has; 0 if it is text."""
        return {Encoding.INT32: 4, Encoding.INT64: 8, Encoding.SECONDS: 8}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a key: `{path}` as its text, or `{path|format}` for a date or a time; binary keys encode it."""

    path: str
    format: str | None = None
    encoding: Encoding = Encoding.TEXT

    @property
    def is_text(self) -> bool:
        """Whether the key has the text of the field, not something that is made from its value."""
        return self.format is None and self.encoding.width == 0

    @property
    def limit(self) -> str:
        """Which values make no key, beside null; empty if there are none."""
        if self.format is not None:
            return "a time out of range"
        return "beyond 32 bits" if self.encoding is Encoding.INT32 else ""

    @property
    def step(self) -> int:
        """The interval in seconds, from midnight, in which the formatted text stays the same; 0 for microseconds."""
        return min((_STEPS[directive] for directive in _directives(self.format or "")), default=86400)

    def text(self, moment: datetime) -> bytes:
        """Format a moment."""
        return moment.astimezone(UTC).strftime(self.format or "").encode()

    def example(self, moment: datetime) -> bytes:
        """Return this part of an invented key, at a moment if it is a time."""
        if self.format is not None:
            return self.text(moment)
        return {Encoding.TEXT: b"0", Encoding.SIZED: b"\x01\x00\x00\x000"}.get(
            self.encoding, bytes(self.encoding.width)
        )


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """A key that consists of literal text and parts.

    text:   the text in the plan.
    pieces: literal text and parts, in order; without parts, all events share one key.
    """

    text: str
    pieces: tuple[bytes | Part, ...]

    @classmethod
    def parse(cls, text: str) -> "KeyTemplate":
        """Parse a template.

        Raises:
            ValueError: the template is invalid; the text says where, and what was expected.
        """
        if not text:
            raise ValueError("is empty; expected a key such as 'plane:{tailnum}'")
        pieces: list[str | Part] = []
        at = 0
        for found in _PIECE.finditer(text):
            pieces.append(text[at : found.start()])
            at = found.end()
            brace, inside, stray = found.groups()
            if stray is not None:
                raise ValueError(f"has a single {stray!r} at character {at}; write {stray * 2!r} for a brace")
            pieces.append(_part(inside) if brace is None else brace[0])
        pieces.append(text[at:])
        return cls(text, tuple(piece.encode() if isinstance(piece, str) else piece for piece in pieces if piece))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Part))

    @property
    def pattern(self) -> bytes:
        """The glob pattern of all keys of this form, for SCAN and access control lists."""
        special = re.compile(rb"[*?\[\]\\]")
        return b"".join(b"*" if isinstance(each, Part) else special.sub(rb"\\\g<0>", each) for each in self.pieces)

    @property
    def grant(self) -> bytes:
        """A pattern of these keys for access control lists that a person can type."""
        return self.pattern

    def owns(self, key: bytes) -> bool:  # noqa: ARG002  any text may be a key of this form
        """Whether a key that matches the pattern is one of these."""
        return True

    def readable(self, key: bytes) -> str:
        """Return a key as people write it."""
        return key.decode(errors="backslashreplace")

    def fill(self, texts: Iterable[bytes]) -> bytes:
        """Return the key whose parts have these texts."""
        given = iter(texts)
        return b"".join(next(given) if isinstance(piece, Part) else piece for piece in self.pieces)

    def problems(self, fields: Mapping[str, Field], why_not: Callable[[str], str], where: str) -> Iterator[Problem]:
        """Yield where this template does not match the event schema."""
        for part in self.parts:
            shown = f"'{{{part.path}}}'"
            if part.path not in fields:
                yield Problem(where, f"{shown}: {why_not(part.path)}", "expected a field of the event")
            else:
                reason = _misfit(part, fields[part.path].kind)
                if reason:
                    yield Problem(where, f"{shown} {reason[0]}", reason[1])


def _part(inside: str) -> Part:
    path, bar, layout = inside.partition("|")
    if not path:
        raise ValueError(f"'{{{inside}}}' has no field name; expected '{{field}}' or '{{time|%Y%m%d}}'")
    if not bar:
        return Part(path)
    if "%" not in layout:
        raise ValueError(f"'{{{inside}}}' has no format after the bar; expected one of strftime such as '%Y%m%d'")
    for directive in _directives(layout):
        if directive not in _STEPS:
            raise ValueError(
                f"'{{{inside}}}': '%{directive}' is not a directive of strftime that is the same on all platforms"
            )
    return Part(path, layout)


def _directives(layout: str) -> list[str]:
    return [found[1] or "" for found in _DIRECTIVE.finditer(layout)]


def _misfit(part: Part, kind: Kind) -> tuple[str, str] | None:
    """Return why a field of this kind cannot be this part, and what to do; None if it can."""
    name = kind.name.lower()
    if part.format is None:
        if kind in _MOMENTS:
            return f"is of kind {name}, which needs a format", f"write, for example, '{{{part.path}|%Y%m%d}}'"
        if kind not in _TEXTS:
            return f"is of kind {name}, which has no unique text", "use a string, uuid, enum, int, long or boolean"
    elif kind not in _MOMENTS:
        return f"is of kind {name}, which has no formats", f"write '{{{part.path}}}', or use a date or a time"
    elif kind is Kind.TIME:
        foreign = [directive for directive in _directives(part.format) if directive not in _TIME_DIRECTIVES]
        if foreign:
            return f"is a time of day, which has no '%{foreign[0]}'", "use directives of time, such as '%H%M'"
    return None
