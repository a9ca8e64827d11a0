"""Finds the order of packed numbers. Thresholds are values of the training data, which identify the columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scorer.init.features import Holder, entity_name
from scorer.init.found import Guess, Source
from scorer.init.patterns import Pattern
from scorer.init.rows import unpacked
from scorer.init.templates import Template, Templates

FLOAT32 = 4  # bytes
_MOST_KEYS = 20_000  # keys of one form that are read
_FEWEST_KEYS = 200
_EXPLAINED = 0.75  # of a column's thresholds that are values of its number
_TOLD, _TIMES = 3, 4  # thresholds that only one number explains: at least so many, and so many times those of a rival
_BITS = 20.0  # of evidence, beyond which chance explains no threshold
_DIGITS = 4  # behind the point, that values may be rounded to

Strings = Callable[[Sequence[bytes]], Sequence[bytes | None]]


@dataclass(frozen=True, slots=True)
class Order:
    """The columns in the order of the numbers, and how each was identified."""

    columns: tuple[str, ...]
    why: Mapping[str, str]


def width(pattern: Pattern) -> int:
    """Return how many float32 the strings of a form may hold; 0 if their sizes differ or do not fit."""
    sizes = set(pattern.sizes)
    return 0 if len(sizes) != 1 or (size := sizes.pop()) % FLOAT32 else size // FLOAT32


def place(
    guesses: Sequence[Guess],
    patterns: Sequence[Pattern],
    holders: Sequence[Holder],
    templates: Templates,
    read: Strings,
) -> tuple[list[Guess], list[Holder]]:
    """Place open columns in packed strings, if the thresholds identify the order.

    Args:
        guesses:   the answers so far.
        patterns:  forms of keys that hold strings.
        holders:   the entities so far.
        templates: finds the fields of keys.
        read:      returns strings at keys.

    Returns:
        The answers, and the new entities.
    """
    found, added = list(guesses), list[Holder]()
    for pattern in patterns:
        unknown = [guess for guess in found if guess.source is None and guess.wanted.named and guess.wanted.splits]
        if not 0 < width(pattern) <= len(unknown) or len(pattern.keys) < _FEWEST_KEYS:
            continue
        template = templates.resolve(pattern)
        if not isinstance(template, Template) or not template.sure:
            continue
        values = unpacked(read([key.encode() for key in pattern.keys[:_MOST_KEYS]]), width(pattern))
        order = told({guess.wanted.name: guess.wanted.splits for guess in unknown}, values)
        if order is None:
            continue
        name = entity_name(pattern, {holder.name for holder in (*holders, *added)})
        added.append(Holder(name, template, order.columns, "packed"))
        found = [_placed(guess, name, order, pattern) for guess in found]
    return found, added


def _placed(guess: Guess, entity: str, order: Order, pattern: Pattern) -> Guess:
    column = guess.wanted.name
    if guess.source is not None or column not in order.columns:
        return guess
    number = order.columns.index(column) + 1
    why = f"number {number} in strings {pattern.shown}: {order.why[column]}"
    return replace(guess, source=Source(entity=entity, field=column), why=why, sure=True, open="", candidates=())


def told(splits: Mapping[str, Sequence[float]], values: NDArray[np.float64]) -> Order | None:
    """Return the order of packed numbers if thresholds identify all of them, and not by chance.

    Args:
        splits: the thresholds of each column that may be among them.
        values: [strings, numbers].
    """
    numbers = [np.unique(column[np.isfinite(column)]).astype(np.float32) for column in values.T]
    chosen: dict[int, str] = {}
    why, bits = dict[str, str](), dict[int, float]()
    for column, thresholds in splits.items():
        explained = [np.isin(np.array(thresholds, np.float32), known) for known in numbers]
        best = max(range(len(numbers)), key=lambda at: explained[at].sum())
        if explained[best].mean() < _EXPLAINED or not _alone(best, explained):
            continue
        if best in chosen:
            return None
        chosen[best], bits[best] = column, float(explained[best].sum() * _surprise(numbers[best]))
        rival = max((each.sum() for at, each in enumerate(explained) if at != best), default=0)
        why[column] = f"has {explained[best].sum()} of the model's {len(thresholds)} thresholds, the next {rival}"
    telling = sum(each >= _BITS for each in bits.values())
    if len(chosen) < len(numbers) or 2 * telling < len(numbers):
        return None
    return Order(tuple(chosen[at] for at in range(len(numbers))), why)


def _alone(best: int, explained: Sequence[NDArray[np.bool_]]) -> bool:
    """Whether this number explains thresholds that every other one does not, and hardly the other way round."""
    for at, other in enumerate(explained):
        mine, theirs = int((explained[best] & ~other).sum()), int((other & ~explained[best]).sum())
        if at != best and (mine < _TOLD or mine < _TIMES * theirs):
            return False
    return True


def _surprise(known: NDArray[np.float32]) -> float:
    """Return the evidence, in bits, of one matching threshold: little if the values fill every step of their range."""
    if len(known) < 2:  # noqa: PLR2004  no range
        return 0.0
    exact = known.astype(np.float64)
    for digits in range(_DIGITS + 1):
        steps = exact * 10**digits
        if np.all(np.abs(steps - np.round(steps)) <= np.abs(steps) * 2**-23):
            possible = round(float(steps[-1] - steps[0])) + 1
            return float(np.log2(possible / len(known)))
    return float(np.log2(2**20 / min(len(known), 2**20)))
