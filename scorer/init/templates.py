"""Finds the event fields that keys of Redis are made of: by names, by types, and by the keys of sample events."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from scorer.avro import Schema
from scorer.batch import Kind
from scorer.init.fields import named
from scorer.init.names import is_among, is_named
from scorer.init.patterns import Pattern
from scorer.init.samples import Samples
from scorer.init.texts import parts_of_texts
from scorer.init.writing import quoted
from scorer.plan.keys import Part

Existing = Callable[[Sequence[bytes]], int | None]
Tried = Mapping[str, tuple[int, int]]  # by template: how many of its keys exist, and how many were tried

MOST_COMBINATIONS = 1_000  # of fields for the places of one key
TRIED = 30  # keys of sample events for each
ENOUGH = 10  # keys that prove fields without a name
FEWEST = 3  # keys that say anything
_HIT, _RIVAL, _FEW = 0.5, 0.25, 0.2  # shares of the keys that exist: enough, as many as a rival's, too few


@dataclass(frozen=True, slots=True)
class Template:
    """A key template that a pattern may have, and how it was found.

    parts: a field for each place where the keys differ.
    sure:  whether keys of sample events exist.
    """

    pattern: Pattern
    parts: tuple[Part, ...]
    why: str = ""
    sure: bool = False

    @property
    def text(self) -> str:
        """The template in the format of a plan."""
        given = iter(self.parts)
        return "".join(
            f"{{{_inside(next(given))}}}" if piece is None else piece.replace("{", "{{").replace("}", "}}")
            for piece in self.pattern.pieces
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The keys of the entity that say what its keys are."""
        return (f"key: {quoted(self.text)}",)

    def keys(self, texts: Callable[[Part], Sequence[bytes | None]]) -> list[bytes]:
        """Return different keys of sample events, at most TRIED, given the texts of a part for each event."""
        found = list(dict.fromkeys(key for key in self.every_key(texts) if key is not None))
        return found[:: max(1, len(found) // TRIED)][:TRIED]

    def every_key(self, texts: Callable[[Part], Sequence[bytes | None]]) -> list[bytes | None]:
        """Return the key of each sample event, None if it has none, given the same."""
        rows = zip(*map(texts, self.parts), strict=True)
        return [None if None in row else self._filled(row) for row in rows]

    def _filled(self, texts: Iterable[bytes | None]) -> bytes:
        given = iter(texts)
        return b"".join((next(given) or b"") if piece is None else piece.encode() for piece in self.pattern.pieces)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A pattern whose fields are not certain: why, and the templates that it may have."""

    pattern: Pattern
    why: str
    candidates: tuple[Template, ...] = ()


class Templates:
    """Finds templates for the keys of one schema's events.

    Args:
        schema:   the schema of the events.
        samples:  sample events.
        existing: returns how many of some keys exist, or None if nobody tells.
    """

    def __init__(self, schema: Schema, samples: Samples, existing: Existing) -> None:
        self._schema, self._samples, self._existing = schema, samples, existing
        self._texts: dict[Part, list[bytes | None]] = {}

    def resolve(self, pattern: Pattern) -> Template | Unresolved:
        """Return the template of a pattern, or why it is not certain."""
        options = [list(parts_of_texts(self._schema, values)) for values in pattern.values]
        if not all(options):
            return Unresolved(pattern, "no event field has texts like those in the keys")
        if doubt := self._constant(pattern):
            return Unresolved(pattern, f"all keys found have '{doubt}', which may be a field of the event as well")
        by_name = self._by_name(pattern, options)
        many = math.prod(map(len, options)) > MOST_COMBINATIONS  # so many prove nothing: rivals would be left out
        combinations = [
            Template(pattern, parts)
            for parts in (() if many else product(*options))
            if len({part.path for part in parts}) == len(parts)
        ]
        return self.certain(pattern, by_name, combinations)

    def certain(
        self, pattern: Pattern, by_name: Template | None, combinations: Sequence[Template]
    ) -> Template | Unresolved:
        """Return the template that names or sample events identify, or why none is certain.

        Args:
            pattern:      the pattern of the keys.
            by_name:      the template that names suggest; None if they suggest none.
            combinations: all that types allow.
        """
        tried = self._try([*combinations, *([by_name] if by_name else [])])
        return self._decided(pattern, by_name, combinations, tried)

    def _decided(
        self,
        pattern: Pattern,
        by_name: Template | None,
        combinations: Sequence[Template],
        tried: Tried,
    ) -> Template | Unresolved:
        good = [each for each in combinations if _share(tried, each, ENOUGH) >= _HIT]
        if by_name is not None:
            against = _against(by_name, good, tried)
            return Unresolved(pattern, against, (by_name, *good)) if against else _confirmed(by_name, tried)
        rivals = [each for each in combinations if _share(tried, each, FEWEST) >= _RIVAL]
        if len(good) == 1 and len(rivals) == 1:
            hits, count = tried[good[0].text]
            return replace(good[0], why=f"{hits} of {count} keys of sample events are in Redis", sure=True)
        if len(rivals) > 1:
            return Unresolved(pattern, "several fields make keys that are in Redis", tuple(rivals))
        why = "no event field is named like it" + ("" if tried else "; sample events (--events) may tell")
        return Unresolved(pattern, why, tuple(combinations))

    def _try(self, templates: Sequence[Template]) -> dict[str, tuple[int, int]]:
        """Return for each template how many keys of sample events exist, and how many were tried."""
        found: dict[str, tuple[int, int]] = {}
        for template in templates if self._samples.count else ():
            keys = template.keys(self._of_events)
            if keys and template.text not in found and (hits := self._existing(keys)) is not None:
                found[template.text] = hits, len(keys)
        return found

    def _of_events(self, part: Part) -> list[bytes | None]:
        """Return the text of a part of a key for each sample event."""
        if part not in self._texts:
            self._texts[part] = self._samples.keys(part)
        return self._texts[part]

    def _constant(self, pattern: Pattern) -> str:
        """Return a literal text behind the first that looks like a value: too few keys may have been found."""
        behind = [text for piece in pattern.pieces if piece for text in re.split(r"[:/|#{}]", piece) if text][1:]
        for text in behind:
            if text.isdecimal() or any(text in field.symbols for field in self._schema.fields.values()):
                return text
            if any(
                text in self._samples.texts(path)
                for path, field in self._schema.fields.items()
                if field.kind is Kind.TEXT
            ):
                return text
        return ""

    def _by_name(self, pattern: Pattern, options: Sequence[Sequence[Part]]) -> Template | None:
        """Return the template whose fields follow from names and types alone, if there is exactly one."""
        chosen = [self._named(pattern, place, parts) for place, parts in enumerate(options)]
        parts = tuple(part for part, _ in filter(None, chosen))
        if len(parts) < len(options) or len({part.path for part in parts}) < len(parts):
            return None
        return Template(pattern, parts, ", ".join(why for _, why in filter(None, chosen)))

    def _named(self, pattern: Pattern, place: int, parts: Sequence[Part]) -> tuple[Part, str] | None:
        repeated = {
            found.field.path for name in repeating(pattern, place) for found in named(name, self._schema.fields)
        }
        label = pattern.labels[place]
        shared = pattern.labels.count(label) > 1
        ways = [
            ([part for part in parts if part.path in repeated], "the hashes repeat it in a field of its name"),
            ([] if shared else [part for part in parts if is_named(label, part.path)], f"named like '{label}'"),
            ([] if shared else [part for part in parts if is_among(label, part.path)], f"named like '{label}'"),
            (
                [part for part in parts if self._is_enum(part, pattern.values[place])],
                "the only enum with exactly these symbols",
            ),
        ]
        for found, why in ways:
            if found:
                return (found[0], f"{found[0].path}: {why}") if len(found) == 1 else None
        return None

    def _is_enum(self, part: Part, values: Sequence[str]) -> bool:
        field = self._schema.fields[part.path]
        return field.kind is Kind.ENUM and len(field.symbols) >= FEWEST and set(values) == set(field.symbols)


def _against(by_name: Template, good: Sequence[Template], tried: Tried) -> str:
    """Return the objection of sample events to a template that names suggest; empty without one."""
    hits, count = tried.get(by_name.text, (0, 0))
    if count >= FEWEST and hits == 0:
        return f"none of {count} keys of sample events is in Redis"
    if good and _share(tried, by_name, 1) < _HIT:
        return "its name and the sample events disagree"
    return (
        f"only {hits} of {count} keys of sample events are in Redis" if count >= ENOUGH and hits < _FEW * count else ""
    )


def _confirmed(by_name: Template, tried: Tried) -> Template:
    """Return a template that names suggest, with how many keys of sample events exist."""
    hits, count = tried.get(by_name.text, (0, 0))
    confirmed = f", and {hits} of {count} keys of sample events are in Redis" if hits else ""
    return replace(by_name, why=by_name.why + confirmed, sure=_share(tried, by_name, 1) >= _HIT)


def _inside(part: Part) -> str:
    return part.path if part.format is None else f"{part.path}|{part.format}"


def _share(tried: Tried, template: Template, fewest: int) -> float:
    hits, count = tried.get(template.text, (0, 0))
    return hits / count if count >= fewest else 0.0


def repeating(pattern: Pattern, place: int) -> list[str]:
    """Return the hash fields whose text is that of the key, in every hash that was looked at."""
    if len(pattern.whole) < 2:  # noqa: PLR2004  one hash may do so by chance
        return []
    return [name for name in pattern.fields if all(fields.get(name) == key[place] for key, fields in pattern.whole)]
