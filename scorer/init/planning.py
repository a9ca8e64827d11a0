"""Drafts `plan.yaml`: the columns in the model's order, the entities that they need, and what is left open."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from scorer.init.features import Holder
from scorer.init.found import Guess
from scorer.init.patterns import Pattern
from scorer.init.templates import Template, Unresolved
from scorer.init.writing import GUESS, OPEN, block, column, comment, document, marked, quoted, scalar

MOST_SHOWN = 3  # templates of one pattern
MOST_HINTS = 10  # patterns in comments
FLOAT32 = 4  # bytes
_HELD = {"hash": "hashes", "packed": "strings of float32", "feast": "hashes as Feast writes them"}


@dataclass(frozen=True, slots=True)
class Hint:
    """What Redis has that may be an entity: in words, and as lines of a plan, one of which may be right."""

    what: str
    entities: tuple[str, ...] = ()


def plan(guesses: Sequence[Guess], holders: Sequence[Holder], hints: Iterable[Hint]) -> str:
    """Return the text of `plan.yaml`.

    Args:
        guesses: the answer for each column.
        holders: hashes in Redis with fields that have the names of columns.
        hints:   at other keys, for the columns that are open.
    """
    entities = [line for holder in holders for line in _entity(holder, guesses)]
    below = [line for hint in hints for line in _lines(hint)]
    return document(
        [
            [
                "# Drafted by `scorer init`. Confirm each line that says guess, and complete each one that says open:",
                "# a column needs `event`, `entity` with `field`, or `expression`.",
            ],
            [*block("entities:", entities), *below],
            ["columns:", *(line for guess in guesses for line in column(guess))],
        ]
    )


def _entity(holder: Holder, guesses: Iterable[Guess]) -> list[str]:
    """Return the lines of an entity that a column uses; nothing if none does."""
    sources = [guess.source for guess in guesses if guess.source and not guess.open]
    used = list(dict.fromkeys(source.field for source in sources if source.entity == holder.name))
    if not used or not isinstance(holder.found, Template):
        return []
    packed = holder.layout == "packed"
    held = f"the keys {holder.pattern.shown} hold {_HELD[holder.layout]}"
    return [
        f"  {scalar(holder.name)}:",
        *(marked(line, GUESS, holder.found.why, "    ") for line in holder.found.lines),
        marked(f"layout: {holder.layout}", GUESS, held, "    "),
        f"    fields: [{', '.join(map(scalar, holder.fields if packed else used))}]",
    ]


def hints(guesses: Iterable[Guess], holders: Iterable[Holder], strings: Iterable[Pattern]) -> list[Hint]:
    """Return hints at keys that may hold the open columns; none if no column is open.

    Args:
        guesses: the answer for each column.
        holders: as for `plan`.
        strings: patterns of keys that hold strings.
    """
    columns = sum(bool(guess.open) for guess in guesses)
    return [*_unresolved(holders), *_packed(strings, columns)] if columns else []


def _lines(hint: Hint) -> Iterator[str]:
    yield f"# {OPEN}: {comment(hint.what)}"
    yield from (f"#   {comment(entity)}" for entity in hint.entities[:MOST_SHOWN])
    if len(hint.entities) > MOST_SHOWN:
        yield f"#   and {len(hint.entities) - MOST_SHOWN} more"


def _unresolved(holders: Iterable[Holder]) -> Iterator[Hint]:
    for holder in [holder for holder in holders if not holder.usable][:MOST_HINTS]:
        found, names = holder.found, ", ".join(map(scalar, holder.fields))
        if isinstance(found, Unresolved):
            texts = [each.text for each in found.candidates] or [holder.pattern.shown.replace("*", "{FIELD}")]
            yield Hint(
                f"hashes {holder.pattern.shown} have {names}, but {found.why}",
                tuple(
                    f"{scalar(holder.name)}: {{key: {quoted(text)}, layout: {holder.layout}, fields: [{names}]}}"
                    for text in texts
                ),
            )


def _packed(strings: Iterable[Pattern], columns: int) -> Iterator[Hint]:
    """Yield which strings may be packed features: their order is known to their writer alone."""
    fitting = [
        (pattern, pattern.sizes[0] // FLOAT32)
        for pattern in strings
        if len(set(pattern.sizes)) == 1 and pattern.sizes[0] % FLOAT32 == 0
    ]
    for pattern, count in [each for each in fitting if 0 < each[1] <= columns][:MOST_HINTS]:
        what = f"strings {pattern.shown} of {count * FLOAT32} bytes may be {count} packed numbers (layout: packed)"
        yield Hint(f"{what}; only their writer knows the order of `fields`")


def template(holder: Holder) -> str:
    """Return the key template of hashes; empty if it is open."""
    return holder.found.text if isinstance(holder.found, Template) else ""
