"""Finds event fields by the name of a column, with an objection where one does not seem to fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Field, Kind
from scorer.init.found import Candidate, Source, Wanted
from scorer.init.names import alike, endings
from scorer.init.samples import Samples

MOST_SHOWN = 8  # values in a comment
FEW = 200  # different texts that may be categories
ENOUGH = 20  # different values: with fewer, a range says nothing
_NUMBERS = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN, Kind.DECIMAL})
MOMENTS = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP})


@dataclass(frozen=True, slots=True)
class Named:
    """A field with the name of a column.

    nearness: how near the names are: 3 the same, 2 the same in another style, 1 the same inside records.
    """

    field: Field
    nearness: int

    @property
    def why(self) -> str:
        """In words, for the comment."""
        how = {3: "same name", 2: "same name in another style", 1: "same name inside a record"}[self.nearness]
        return f"field {self.field.path}, {how}"


def named(name: str, fields: Mapping[str, Field]) -> list[Named]:
    """Return the fields that a name may mean: those whose names are nearest to it."""
    found = [Named(field, nearness) for field in fields.values() if (nearness := _nearness(name, field.path))]
    best = max((each.nearness for each in found), default=0)
    return [each for each in found if each.nearness == best]


def _nearness(name: str, path: str) -> int:
    if name == path:
        return 3
    whole, *inner = endings(path)
    wanted = alike(name)
    return 0 if not wanted else 2 if wanted == whole else int(wanted in inner)


def candidates(wanted: Wanted, fields: Mapping[str, Field], samples: Samples) -> list[Candidate]:
    """Return a candidate for each event field with the name of the column."""
    return [judged(wanted, each, samples) for each in named(wanted.name, fields)]


def judged(wanted: Wanted, found: Named, samples: Samples) -> Candidate:
    """Return a field as a candidate for a column, with an objection if there is one."""
    field = found.field
    candidate = Candidate(Source(event=field.path), found.why, found.nearness, found.nearness == 3)  # noqa: PLR2004  see Named
    if field.kind is Kind.BYTES:
        return candidate.refuted("it is bytes, from which no number is made")
    if field.kind in MOMENTS:
        unit = "days since 1970" if field.kind is Kind.DATE else "seconds"
        return candidate.refuted(f"it is a {field.kind.name.lower()}, which is read in {unit}: compare with training")
    if field.kind in {Kind.TEXT, Kind.ENUM}:
        return _text(wanted, field, candidate, samples)
    return _number(wanted, field, candidate, samples)


def _number(wanted: Wanted, field: Field, candidate: Candidate, samples: Samples) -> Candidate:
    kind = field.kind.name.lower()
    if wanted.categories:
        whole = all(isinstance(each, int) for each in wanted.categories)
        if not whole or field.kind is not Kind.INTEGER:
            return candidate.refuted(
                f"it is of kind {kind}, and the model's categories are {_shown(wanted.categories)}"
            )
        return replace(candidate, source=replace(candidate.source, categories=wanted.categories))
    if wanted.categorical:
        return candidate.refuted(
            f"it is of kind {kind}, and the model takes the column for a category without keeping any"
        )
    if field.kind is Kind.BOOLEAN and any(not 0 < split <= 1 for split in wanted.splits):
        return candidate.refuted("it is a boolean, and the model has seen more than 0 and 1")
    return candidate.refuted(other_range(wanted, samples.numbers(field.path), "sample events"))


def other_range(wanted: Wanted, values: NDArray[np.float64], where: str) -> str:
    """Object if all the model's thresholds lie outside the range of the values: their units must then differ."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < ENOUGH or not wanted.splits:
        return ""
    low, high = float(known[0]), float(known[-1])
    if any(low <= split <= high for split in wanted.splits):
        return ""
    return (
        f"the {where} have {low:g} to {high:g}, and the model divides at {wanted.splits[0]:g} to {wanted.splits[-1]:g}"
    )


def _text(wanted: Wanted, field: Field, candidate: Candidate, samples: Samples) -> Candidate:
    known = wanted.categories
    if any(not isinstance(each, str) for each in known):
        return candidate.refuted(f"it is text, and the model's categories are numbers: {_shown(known)}")
    if not known:
        return replace(
            candidate, todo=f"list its categories in the order of their codes in training{_seen(field, samples)}"
        )
    if not all(str(each).isascii() and str(each).isprintable() for each in known):
        return replace(
            candidate, todo="list its categories in the order of training: the model does not keep them legibly"
        )
    if field.symbols and not set(known) <= set(field.symbols):
        extra = [each for each in known if each not in field.symbols]
        return candidate.refuted(f"its symbols do not have the model's categories {_shown(extra)}")
    seen = {text for text in samples.texts(field.path) if text is not None}
    if seen and not seen & set(known):
        return candidate.refuted(f"no sample event has one of the model's categories {_shown(known)}")
    return replace(candidate, source=replace(candidate.source, categories=known))


def _seen(field: Field, samples: Samples) -> str:
    seen: Iterable[str] = field.symbols or sorted({text for text in samples.texts(field.path) if text is not None})
    shown = list(seen)
    if not shown or len(shown) > FEW:
        return ""
    return f"; {'its symbols are' if field.symbols else 'sample events have'} {_shown(shown)}"


def _shown(values: Iterable[object]) -> str:
    texts = list(map(str, values))
    more = f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else ""
    return ", ".join(texts[:MOST_SHOWN]) + more
