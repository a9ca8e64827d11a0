"""Groups keys of Redis by their form: `plane:N10156` and `plane:N57869` are `plane:*`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scorer.init.names import words
from scorer.store.redis.explore import Stored

MOST_PATTERNS = 200  # the largest groups; more forms than that are not a feature store
LOOKED_AT = 30  # keys of each group
_MOST_LITERALS = 64  # different texts in one place that may divide a group
_FEW = 10  # keys with the same text in one place: what identifies something has fewer
_ALIKE = 0.5  # of all field names that two groups have, the share that both have if they are one
_SEPARATOR = re.compile(r"([:/|#])")
_JOINED = re.compile(r"([^\W\d][^\d]*?)([_.-])([^_.-]*\d[^_.-]*)")  # user_42
_NAME = re.compile(r"[^\W\d][\w.-]*")
_WORD = re.compile(r"[^\W\d]+(?:[_.-][^\W\d]+)*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Keys of one form.

    pieces: literal text, and None where the keys differ.
    values: for each of those places, the texts of the keys.
    kind:   the type of most keys, as Redis names it; empty if none was looked at.
    sizes:  the sizes of strings.
    fields: of hashes: by name, the text of each hash that has it, or None where it is too long for a number.
    whole:  for each hash that was looked at, the texts of its key, and all its fields.
    """

    pieces: tuple[str | None, ...]
    values: tuple[tuple[str, ...], ...]
    kind: str = ""
    sizes: tuple[int, ...] = ()
    fields: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    whole: Sequence[tuple[tuple[str, ...], Mapping[str, str | None]]] = ()

    @property
    def keys(self) -> list[str]:
        """The keys that were found."""
        found = []
        for texts in zip(*self.values, strict=True):
            given = iter(texts)
            found.append("".join(next(given) if piece is None else piece for piece in self.pieces))
        return found

    @property
    def shown(self) -> str:
        """The form with `*` where keys differ."""
        return "".join("*" if piece is None else piece for piece in self.pieces)

    @property
    def labels(self) -> tuple[str, ...]:
        """The literal text before each place where the keys differ: the nearest that has a word."""
        found, last = [], ""
        for piece in self.pieces:
            if piece is None:
                found.append(last)
            elif words(piece):
                last = [text for text in _SEPARATOR.split(piece) if words(text)][-1]
        return tuple(found)

    @property
    def literals(self) -> tuple[str, ...]:
        """The words of all literal texts."""
        return tuple(word for piece in self.pieces if piece for word in words(piece))


@dataclass(frozen=True, slots=True)
class _Key:
    """A key with its parts: texts and separators in turn."""

    text: str
    parts: tuple[str, ...]


def chosen(keys: Iterable[str]) -> list[str]:
    """Return the keys to look at: some of each group."""
    groups = [part for group in _groups(keys) for part in _parts(group, 0)]
    return [key.text for group in groups for key in _spread(group)]


def patterns(keys: Iterable[str], stored: Mapping[str, Stored]) -> list[Pattern]:
    """Return the forms of keys.

    Args:
        keys:   all keys that were found.
        stored: what some of them hold.
    """
    found = [pattern for group in _groups(keys) for pattern in _divided(group, stored, 0)]
    return [pattern for pattern in found if pattern is not None]


def _groups(keys: Iterable[str]) -> list[list[_Key]]:
    """Group keys by their separators and their first word."""
    groups: dict[tuple[str, ...], list[_Key]] = defaultdict(list)
    for key in keys:
        parts = tuple(_SEPARATOR.split(key))
        if len(parts) == 1 and (joined := _JOINED.fullmatch(key)):
            parts = joined.groups()
        head = parts[0] if len(parts) > 1 and _WORD.fullmatch(parts[0]) else ""
        groups[(head, *parts[1::2])].append(_Key(key, parts))
    return sorted(groups.values(), key=len, reverse=True)[:MOST_PATTERNS]


def _spread(group: Sequence[_Key]) -> Sequence[_Key]:
    return group[:: max(1, len(group) // LOOKED_AT)][:LOOKED_AT]


def _divided(group: Sequence[_Key], stored: Mapping[str, Stored], first: int) -> list[Pattern | None]:
    """Divide a group at a place whose few words each have other fields: `user:1:profile` and `user:1:stats`."""
    for place in range(first, len(group[0].parts), 2):
        by_text = _by_text(group, place)
        if by_text and _differ(by_text, stored):
            return [each for part in by_text.values() for each in _divided(part, stored, place + 2)]
    return [_pattern(group, stored)]


def _parts(group: Sequence[_Key], first: int) -> list[Sequence[_Key]]:
    """Divide a group wherever it may be divided, so that some keys of every part are looked at."""
    for place in range(first, len(group[0].parts), 2):
        if by_text := _by_text(group, place):
            return [each for part in by_text.values() for each in _parts(part, place + 2)]
    return [group]


def _by_text(group: Sequence[_Key], place: int) -> dict[str, list[_Key]]:
    """Group keys by their text in one place; nothing if the texts cannot be words that name what the keys hold."""
    found: dict[str, list[_Key]] = defaultdict(list)
    for key in group:
        found[key.parts[place]].append(key)
    words_alone = all(map(_WORD.fullmatch, found))
    names = words_alone or all(_NAME.fullmatch(text) and len(keys) >= _FEW for text, keys in found.items())
    return found if names and 1 < len(found) <= _MOST_LITERALS else {}


def _differ(groups: Mapping[str, Sequence[_Key]], stored: Mapping[str, Stored]) -> bool:
    """Whether the keys of each group hold something else than those of another."""
    held = [
        {(each.kind, name) for key in group if (each := stored.get(key.text)) for name in (each.fields or {"": None})}
        for group in groups.values()
    ]
    known = [each for each in held if each]
    return any(
        len(one & other) < _ALIKE * len(one | other) for at, one in enumerate(known) for other in known[at + 1 :]
    )


def _pattern(group: Sequence[_Key], stored: Mapping[str, Stored]) -> Pattern | None:
    """Return the form of a group; None if all keys are the same, so that nothing shows which part varies."""
    varies = [len({key.parts[place] for key in group}) > 1 for place in range(len(group[0].parts))]
    if not any(varies):
        return None
    braces = [vary and all(_in_braces(key.parts[at]) for key in group) for at, vary in enumerate(varies)]
    pieces: list[str | None] = []
    for text, vary, brace in zip(group[0].parts, varies, braces, strict=True):
        pieces += [text] if not vary else ["{", None, "}"] if brace else [None]
    variable = [(at, braces[at]) for at, vary in enumerate(varies) if vary]

    def texts(key: _Key) -> tuple[str, ...]:
        return tuple(key.parts[at][1:-1] if brace else key.parts[at] for at, brace in variable)

    looked = [(texts(key), stored[key.text]) for key in group if key.text in stored]
    kinds = [each.kind for _, each in looked]
    kind = max(set(kinds), key=kinds.count, default="")
    whole = [(values, each.fields) for values, each in looked if each.kind == kind == "hash"]
    names = dict.fromkeys(name for _, fields in whole for name in fields)
    return Pattern(
        tuple(_merged(pieces)),
        tuple(zip(*map(texts, group), strict=True)),
        kind,
        tuple(each.size for _, each in looked if each.kind == kind == "string"),
        {name: [fields[name] for _, fields in whole if name in fields] for name in names},
        whole,
    )


def _in_braces(text: str) -> bool:
    return len(text) > len("{}") and text[0] == "{" and text[-1] == "}"


def _merged(pieces: Iterable[str | None]) -> list[str | None]:
    """Join literal texts that follow each other."""
    merged: list[str | None] = []
    for piece in pieces:
        if piece is not None and merged and merged[-1] is not None:
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return merged
