"""Finds expressions: formulas of two columns whose values in sample events include thresholds of the model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from scorer.init.found import Guess, Source
from scorer.init.rows import Rows

_MOST_OPERANDS = 40  # columns above from which pairs are tried
_FACTORS = (1, 24, 60, 100, 1000, 3600)
_FEWEST = 10  # thresholds that the formula must produce to the last bit
_SHARE = 0.25  # the share of the distinctive thresholds that it must produce
_RIVAL = 1 / 3  # the share of its hits that no other formula may reach
_DIGITS = 3  # numbers with so few decimals occur in many columns, so they prove nothing
_SMALL = 20  # fractions with so small denominators occur in many columns, too

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Formula:
    text: str
    values: NDArray[np.float32]  # of each event


def place(guesses: Sequence[Guess], rows: Rows) -> list[Guess]:
    """Return the guesses with the open columns placed that are formulas of columns above them.

    Args:
        guesses: the answers so far.
        rows:    the rows of sample events.
    """
    found = list(guesses)
    if not rows.count:
        return found
    for at, guess in enumerate(found):
        wanted = guess.wanted
        said = telling(wanted.splits)
        if guess.source is not None or not wanted.named or len(said) < _FEWEST:
            continue
        formula, hits = best(said, list(_formulas(_operands(found[:at], rows))))
        if formula:
            why = f"{hits} of the {len(said)} thresholds that say most are its values in sample events"
            found[at] = replace(guess, source=Source(expression=formula), why=why, sure=True, open="", candidates=())
    return found


def telling(splits: Sequence[float]) -> NDArray[np.float32]:
    """Return the distinctive thresholds: no short decimals or simple fractions, which many columns have by chance."""
    exact = np.array(splits, np.float64)
    common = np.zeros(len(exact), np.bool_)
    for parts in (10**_DIGITS, *range(1, _SMALL + 1)):
        steps = exact * parts
        common |= np.abs(steps - np.round(steps)) <= np.maximum(np.abs(steps), 1) * 2**-22
    return np.array(splits, np.float32)[~common]


def best(said: NDArray[np.float32], formulas: Sequence[_Formula]) -> tuple[str, int]:
    """Return the formula that alone has the thresholds, and how many of them it has; nothing if none is certain."""
    hits = [int(np.isin(said, formula.values).sum()) for formula in formulas]
    order = sorted(range(len(formulas)), key=lambda at: -hits[at])
    most, next_ = (hits[at] for at in order[:2]) if len(order) > 1 else (0, 0)
    certain = most >= max(_FEWEST, _SHARE * len(said)) and next_ <= _RIVAL * most
    return (formulas[order[0]].text, most) if certain else ("", 0)


def _operands(above: Sequence[Guess], rows: Rows) -> Mapping[str, Values]:
    """Return the columns above that are plain numbers, whose names an expression can have."""
    found = dict[str, Values]()
    for guess in above:
        source, name = guess.source, guess.wanted.name
        plain = source is not None and not guess.open and not source.part and not source.categories
        if plain and source is not None and name.isidentifier() and len(found) < _MOST_OPERANDS:
            values = rows.of(source)
            if values is not None and np.isfinite(values).any():
                found[name] = values
    return found


def _formulas(operands: Mapping[str, Values]) -> Iterator[_Formula]:
    with np.errstate(all="ignore"):
        for one, other in permutations(operands, 2):
            a, b = operands[one], operands[other]
            for factor in _FACTORS:
                text = f"{one} / {other}" if factor == 1 else f"{factor} * {one} / {other}"
                yield _Formula(text, (factor * a / b).astype(np.float32))
            yield _Formula(f"{one} / (1 + {other})", (a / (1 + b)).astype(np.float32))
            yield _Formula(f"{one} - {other}", (a - b).astype(np.float32))
            if one < other:
                yield _Formula(f"{one} * {other}", (a * b).astype(np.float32))
                yield _Formula(f"{one} + {other}", (a + b).astype(np.float32))
