"""Computes the placed columns of sample events, which are like the rows of training."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.floats import by_python
from scorer.init.features import Holder
from scorer.init.found import Guess, Source
from scorer.init.samples import Samples
from scorer.init.templates import Template
from scorer.plan.expression import Expression
from scorer.plan.keys import Part
from scorer.store.redis.explore import Explorer

_FLOAT32 = np.dtype("<f4")


class Rows:
    """Values of columns for each sample event.

    Args:
        samples:  the events.
        holders:  what Redis has.
        explorer: the explorer of that Redis; None without one.
    """

    def __init__(self, samples: Samples, holders: Sequence[Holder], explorer: Explorer | None) -> None:
        self._samples, self._explorer = samples, explorer
        self._holders = {holder.name: holder for holder in holders}
        self._stored: dict[str, dict[str, NDArray[np.float64]]] = {}  # by entity and field

    @property
    def count(self) -> int:
        """How many events there are."""
        return self._samples.count

    def of(self, source: Source) -> NDArray[np.float64] | None:
        """Return the values of a source, NaN where missing; None if they are not known."""
        if source.entity is not None:
            return self._of_entity(source.entity).get(str(source.field))
        if source.event is None:
            return None
        if source.categories:
            return self.codes(source.event, list(map(str, source.categories)))
        values = self._samples.numbers(source.event, source.part)
        return values if len(values) else None

    def placed(self, guesses: Sequence[Guess]) -> list[NDArray[np.float64] | None]:
        """Return the values of each column, NaN where missing; None if it is open or its values are not known."""
        known = dict[str, NDArray[np.float64]]()
        for guess in guesses:
            source = guess.source
            if source is not None and not guess.open:
                values = _computed(source.expression, known) if source.expression else self.of(source)
                if values is not None:
                    known[guess.wanted.name] = values
        return [known.get(guess.wanted.name) for guess in guesses]

    def texts(self, path: str) -> list[str]:
        """Return the different texts of a field, sorted."""
        return sorted({text for text in self._samples.texts(path) if text is not None})

    def codes(self, path: str, categories: Sequence[str]) -> NDArray[np.float64]:
        """Return for each event the place of its text in a list, NaN if it is not there."""
        places = {text: float(place) for place, text in enumerate(categories)}
        return np.array([places.get(text or "", np.nan) for text in self._samples.texts(path)])

    def _of_entity(self, name: str) -> dict[str, NDArray[np.float64]]:
        if name not in self._stored:
            holder = self._holders[name]
            found = isinstance(holder.found, Template) and holder.layout != "feast"
            known = self._explorer is not None and self.count and found
            self._stored[name] = self._looked_up(holder, holder.found) if known else {}  # type: ignore[arg-type]
        return self._stored[name]

    def _looked_up(self, holder: Holder, template: Template) -> dict[str, NDArray[np.float64]]:
        assert self._explorer is not None  # noqa: S101  the caller has made sure
        keys = template.every_key(self._of_events)
        places: dict[bytes, int] = {key: place for place, key in enumerate(dict.fromkeys(filter(None, keys)))}
        if holder.layout == "packed":
            stored = unpacked(self._explorer.strings(list(places)), len(holder.fields))
        else:
            texts = self._explorer.hashes(list(places), [name.encode() for name in holder.fields])
            stored = np.array([[_number(text) for text in row] for row in texts]).reshape(len(places), -1)
        stored = np.vstack([stored, np.full((1, len(holder.fields)), np.nan)])  # of events without a key
        row_of = np.array([len(places) if key is None else places[key] for key in keys])
        return {name: stored[row_of, at] for at, name in enumerate(holder.fields)}

    def _of_events(self, part: Part) -> Sequence[bytes | None]:
        return self._samples.keys(part)


def _computed(text: str, known: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Return the values of an expression over known columns; None if it uses another one."""
    expression, _ = Expression.parse(text, list(known))
    if expression is None:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(expression.evaluate(np.array(list(known.values()))))


def unpacked(strings: Sequence[bytes | None], fields: int) -> NDArray[np.float64]:
    """Return the numbers in packed strings [strings, fields], NaN for strings of another size or none."""
    size = fields * _FLOAT32.itemsize
    missing = np.full(fields, np.nan, _FLOAT32).tobytes()
    whole = b"".join(each if each is not None and len(each) == size else missing for each in strings)
    return np.frombuffer(whole, _FLOAT32).reshape(-1, fields).astype(np.float64)


def _number(text: bytes | None) -> float:
    if text is None:
        return np.nan
    value, numeric = by_python(text)
    return value if numeric else np.nan
