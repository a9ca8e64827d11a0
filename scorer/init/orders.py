"""Finds the order of categories: with the right one, sample events divide at the model's splits as training rows did.

For each split the model keeps the codes that go right, and the share of the training rows, by weight, that went right.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Field, Kind
from scorer.init.found import Guess, Source
from scorer.init.rows import Rows
from scorer.model import Booster
from scorer.model.learned.divisions import Division

_FIRST = 60  # only the first trees are used: in later ones, the weights of rows differ too much
_EVENTS = 100  # sample events that must reach a split for it to be compared
_SPLITS = 8  # splits that are needed
_MOST = 200  # the most categories
_EVERY = 5  # with up to this many categories, every order is a rival
_WEIGHED = 30  # with up to this many categories, events are weighed as in training
_DRAWN = 500  # random rivals with more categories
_NOISE = 0.03  # the noise of a share between training and sample events
_TOLD = 16.0  # how much worse the sum of squares must be if one text is moved
_RARE = 0.02  # texts with a smaller share of the events are not checked
_EXACT = 0.1  # no misfit below this is better than another
_FIT, _WORSE = 4.0, 2.5  # the largest mean square of misfits, in units of noise, and the factor to that of any rival


_TEXTS = (Kind.TEXT, Kind.ENUM)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A split by category.

    codes:   the codes that go right.
    share:   the share of the training rows that went right.
    counts:  the sample events that reach it, by text.
    highest: the highest code that it names.
    weights: the weight of the events with each text if it has each code [texts, codes]; None if all weigh the same.
    """

    codes: frozenset[int]
    share: float
    counts: NDArray[np.int64]
    highest: int
    weights: NDArray[Any] | None = None

    def by_code(self, order: tuple[int, ...]) -> NDArray[Any]:
        """Return how much the events of each code weigh in an order."""
        texts = list(order)
        return self.counts[texts] if self.weights is None else self.weights[texts, range(len(texts))]


def place(guesses: Sequence[Guess], booster: Booster, fields: Mapping[str, Field], rows: Rows) -> list[Guess]:
    """Return the guesses with the categories of open columns whose order is certain.

    Args:
        guesses: the answers so far.
        booster: the model.
        fields:  the event's fields.
        rows:    the rows of sample events.
    """
    if not rows.count:
        return list(guesses)
    known, divisions = rows.placed(guesses), booster.divisions()
    found = list(guesses)
    for at, guess in enumerate(guesses):
        source = guess.source
        if not guess.open or source is None or source.event is None or fields[source.event].kind not in _TEXTS:
            continue
        texts = rows.texts(source.event)
        codes = rows.codes(source.event, texts)
        weights = _weights(at, booster, known, codes, len(texts))
        seen = _seen(at, divisions, known, codes, len(texts), weights)
        order = certain(texts, fields[source.event].symbols, seen)
        if order:
            listed = Source(event=source.event, categories=order)
            how = f"sample events divide as training did at {len(seen)} splits"
            why = f"{guess.why}; in this usual order alone, {how}"
            found[at] = replace(guess, source=listed, why=why, sure=False, open="", candidates=())
    return found


def certain(texts: Sequence[str], symbols: Sequence[str], seen: Sequence[_Seen]) -> tuple[str, ...]:
    """Return the order of categories that alone fits the splits; nothing if none is certain.

    Args:
        texts:   the different texts, sorted.
        symbols: those of an enum, in its order.
        seen:    the splits.
    """
    count = 1 + max((split.highest for split in seen), default=0)
    if not 1 < len(texts) <= _MOST or count != len(texts) or len(seen) < _SPLITS or set(symbols) - set(texts):
        return ()
    ordered = tuple(range(count))
    usual = {ordered, tuple(map(list(texts).index, symbols)) if symbols else ordered}
    misfits = {order: _misfit(order, seen) for order in usual | _others(count, seen)}
    best = min(usual, key=misfits.__getitem__)
    fit = max(misfits.pop(best), _EXACT)
    if fit > _FIT or min(misfits.values()) < _WORSE * fit:
        return ()
    shares = sum(split.counts for split in seen) / sum(split.counts.sum() for split in seen)
    if any((_misfit(moved, seen) - fit) * len(seen) < _TOLD * max(fit, 1.0) for moved in _moved(best, shares)):
        return ()
    return tuple(texts[place] for place in best)


def _misfit(order: tuple[int, ...], seen: Sequence[_Seen]) -> float:
    """Return the mean square difference between the shares of sample events and of training, in units of noise."""
    found = []
    for split in seen:
        events, weights = split.counts.sum(), split.by_code(order)
        share = weights[[code for code in split.codes if code < len(order)]].sum() / weights.sum()
        found.append((share - split.share) ** 2 / (max(share * (1 - share), 1 / events) / events + _NOISE**2))
    return float(np.mean(found))


def _others(count: int, seen: Sequence[_Seen]) -> set[tuple[int, ...]]:
    """Return the rivals of the usual orders: all orders if there are few, else random ones and those by frequency."""
    if count <= _EVERY:
        return set(permutations(range(count)))
    rng = np.random.default_rng(0)
    often = np.argsort(-sum(split.counts for split in seen), kind="stable").tolist()
    drawn = [tuple(rng.permutation(count).tolist()) for _ in range(_DRAWN)]
    return {*drawn, tuple(often), tuple(reversed(often)), tuple(reversed(range(count)))}


def _moved(order: tuple[int, ...], shares: Values) -> Iterator[tuple[int, ...]]:
    """Yield the orders with one text moved, if that changes the codes of more than a few events.

    The right order is such a one if a text of training is missing in the sample, and the sample has a new one.
    """
    for old, new in permutations(range(len(order)), 2):
        between = order[min(old, new) : max(old, new) + 1]
        if shares[list(between)].sum() >= _RARE:
            rest = [*order[:old], *order[old + 1 :]]
            yield (*rest[:new], order[old], *rest[new:])


def _weights(
    column: int, booster: Booster, known: Sequence[Values | None], codes: Values, count: int
) -> list[Values] | None:
    """Return for each code what the events with it weigh in training [trees, events]; None if that is not known."""
    columns = [values for values in (*known[:column], codes, *known[column + 1 :]) if values is not None]
    if len(columns) < len(known) or count > _WEIGHED:
        return None
    matrix = np.tile(np.column_stack(columns).astype(np.float32), (count, 1))
    matrix[~np.isfinite(matrix)] = np.nan  # XGBoost refuses infinities
    matrix[:, column] = np.repeat(np.arange(count), len(codes))
    weights = booster.weights(matrix, _FIRST)
    return None if weights is None else [*weights.reshape(len(weights), count, len(codes)).swapaxes(0, 1)]


def _seen(  # noqa: PLR0913, PLR0917  what a split is compared by
    column: int,
    divisions: Sequence[Division],
    known: Sequence[Values | None],
    codes: Values,
    count: int,
    weights: Sequence[Values] | None = None,
) -> list[_Seen]:
    """Return the splits on a column of categories that enough sample events reach, by columns that are known."""
    found = []
    for each in divisions:
        ask = each.ask
        if each.tree >= _FIRST or ask.column != column or any(known[above.column] is None for above, _ in each.path):
            continue
        here = np.isfinite(codes)
        for above, right in each.path:
            values = known[above.column]
            here &= values is not None and above.right(values) == right
        texts = codes[here].astype(np.int64)
        counts = np.bincount(texts, minlength=count)
        first = math.ceil(ask.threshold) if ask.codes is None and abs(ask.threshold) < _MOST else 0
        went = frozenset(range(max(first, 0), count)) if ask.codes is None else ask.codes
        if counts.sum() >= _EVENTS:
            highest = first if ask.codes is None else max(went, default=0)
            weighed = [np.bincount(texts, of[each.tree, here], count) for of in weights or ()]
            found.append(_Seen(went, each.share, counts, highest, np.column_stack(weighed) if weighed else None))
    return found
