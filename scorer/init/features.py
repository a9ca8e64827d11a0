"""Finds fields of hashes in Redis by the name of a column."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scorer.arrays.floats import by_python
from scorer.init.fields import other_range
from scorer.init.found import Candidate, Source, Wanted
from scorer.init.names import alike, singular, stem, words
from scorer.init.patterns import Pattern
from scorer.init.templates import Template, Templates, Unresolved, repeating

_NUMERIC = 0.9  # of the texts of a field that holds numbers


@dataclass(frozen=True, slots=True)
class Holder:
    """Keys of one form.

    name:   their name as an entity of the plan.
    found:  the template of their keys, or why it is not certain.
    fields: for hashes, the fields with the name of a column; for packed strings, all fields.
    layout: how the keys hold features.
    """

    name: str
    found: Template | Unresolved
    fields: tuple[str, ...] = ()
    layout: str = "hash"

    @property
    def pattern(self) -> Pattern:
        """The form of their keys."""
        return self.found.pattern

    @property
    def usable(self) -> bool:
        """Whether their key is known, so that columns can come from them."""
        return isinstance(self.found, Template)


def holders(wanted: Iterable[Wanted], patterns: Iterable[Pattern], templates: Templates) -> list[Holder]:
    """Return the hashes that have a field with the name of a column, each with a name of its own."""
    columns, taken, found = list(wanted), set[str](), []
    for pattern in patterns:
        matching = dict.fromkeys(name for column in columns for name, _ in _matching(column.name, pattern))
        if not matching:
            continue
        name = entity_name(pattern, taken)
        taken.add(name)
        found.append(Holder(name, templates.resolve(pattern), tuple(matching)))
    return found


def candidates(wanted: Wanted, given: Iterable[Holder]) -> list[Candidate]:
    """Return each field that has the name of a column; those that say the entity, too, if there are any."""
    found = [
        (qualified, judged(wanted, holder, name, qualified=qualified))
        for holder in given
        for name, qualified in matching(wanted.name, holder)
    ]
    said = [candidate for qualified, candidate in found if qualified]
    return said or [candidate for _, candidate in found]


def judged(wanted: Wanted, holder: Holder, name: str, *, qualified: bool) -> Candidate:
    """Return a field of hashes as a candidate for a column, with an objection if there is one.

    Args:
        wanted:    the column.
        holder:    the hashes.
        name:      the field.
        qualified: whether the column is called by the entity as well.
    """
    found = holder.found
    style = "with its entity's name" if qualified else f"same name{' in another style' * (name != wanted.name)}"
    why = f"field {name} of hashes {holder.pattern.shown}, {style}"
    sure = isinstance(found, Template) and found.sure
    candidate = Candidate(Source(entity=holder.name, field=name), why, 2 if qualified else 1, sure)
    if isinstance(found, Unresolved):
        return candidate.refuted(f"the key of {holder.pattern.shown} is open: {found.why}")
    if wanted.categories:
        return candidate.refuted("the model has named categories, and a hash holds numbers")
    texts = [text for text in holder.pattern.fields[name] if text != ""]
    numbers = [number for number, numeric in map(_number, texts) if numeric]
    if len(numbers) < _NUMERIC * len(texts) or not numbers:
        return candidate.refuted(f"{len(texts) - len(numbers)} of {len(texts)} hashes have no number in it")
    return candidate.refuted(other_range(wanted, np.array(numbers), "hashes looked at"))


def matching(column: str, holder: Holder) -> list[tuple[str, bool]]:
    """Return the fields that have the name of a column, and whether it names the entity as well."""
    if holder.layout != "feast":
        return _matching(column, holder.pattern)
    wanted, found = alike(column), []
    for name in holder.fields:
        view, _, feature = name.partition(":")
        owners = {alike(view), alike(holder.name), *(alike("_".join(stem(part))) for part in holder.name.split("_"))}
        if alike(feature) == wanted:
            found.append((name, False))
        elif any(owner + alike(feature) == wanted for owner in owners):
            found.append((name, True))
    return found


def _matching(column: str, pattern: Pattern) -> list[tuple[str, bool]]:
    """Return the fields of hashes that have the name of a column, and whether it names the entity as well."""
    wanted, prefixes = alike(column), _prefixes(pattern)
    found = []
    repeated = {name for place in range(len(pattern.values)) for name in repeating(pattern, place)}
    for name in pattern.fields.keys() - repeated:  # the event has those itself
        plain = alike(name)
        if plain and plain == wanted:
            found.append((name, False))
        elif plain and any(prefix + plain == wanted for prefix in prefixes):
            found.append((name, True))
    return found


def _prefixes(pattern: Pattern) -> set[str]:
    """Return the names of an entity that columns may begin with, also in the singular."""
    names = [*pattern.labels, "_".join(dict.fromkeys(pattern.labels)), "_".join(pattern.literals)]
    return {form for name in names for form in (alike(name), "".join(map(singular, words(name))))} - {""}


def entity_name(pattern: Pattern, taken: Collection[str]) -> str:
    """Return a name for keys of a form, other than those that are taken."""
    short, long = _name(pattern, pattern.labels), _name(pattern, pattern.literals)
    return next(each for each in (short, long, *(f"{short}_{at}" for at in range(2, 1000))) if each not in taken)


def _name(pattern: Pattern, parts: Sequence[str]) -> str:
    """Return a name for hashes, from the text in their keys."""
    said = list(dict.fromkeys(word for part in parts for word in words(part)))
    last = pattern.pieces[-1]
    said += [word for word in words(last or "") if word not in said]
    return "_".join(said) or "entity"


def _number(text: str | None) -> tuple[float, bool]:
    return (0.0, False) if text is None else by_python(text.encode())
