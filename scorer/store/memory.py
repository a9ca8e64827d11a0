"""Features in memory, with the replies that Redis would give."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import SupportsFloat

import numpy as np

from scorer.batch import Lookup
from scorer.errors import Misconfigured, Problem, did_you_mean
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.layouts import layout_of

Value = SupportsFloat | str | None  # a number, or its text as in a hash; None is absent
Record = Mapping[str, Value]  # the features of one key by their names


class MemoryStore:
    """Looks features up in a mapping.

    Args:
        entities: the entities of the plan.
        features: entity -> key as in Redis (`plane:N57869`; in layout feast `hour=17, origin=JFK`) -> name of a feature
            -> value. A key that is left out is missing. An entity with a `max_age` needs its `updated` field, as in
            Redis; in layout feast, `_ts:view` in Unix seconds for each view.

    Raises:
        Misconfigured: the mapping is not of this form, or has an entity that the plan does not have.
    """

    def __init__(self, entities: Sequence[Entity], features: Mapping[str, Mapping[str, Record]]) -> None:
        if problems := list(_problems([entity.name for entity in entities], features)):
            raise Misconfigured(problems)
        self._features = features

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Return a reply for each request; see `Store.fetch`.

        Raises:
            Misconfigured: a value is neither a number nor text.
        """
        return [self._reply(request, now) for request in requests]

    def _reply(self, request: Request, now: float) -> Reply:
        entity = request.entity
        of_entity = self._features.get(entity.name, {})
        records = [of_entity.get(entity.key.readable(key)) for key in request.keys]
        try:
            return stored(entity, records, now)
        except TypeError as error:
            what = f"has a value that is not a number: {error}"
            raise Misconfigured([Problem(f"features: {entity.name}", what, "expected numbers, or None")]) from None


class NoStore:
    """A store that has nothing: features come with the events alone."""

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:  # noqa: ARG002  as `Store.fetch` has it
        """Return that every key is missing."""
        return [stored(request.entity, [None] * len(request.keys), now=None) for request in requests]

    def prefetch(self, requests: Sequence[Request]) -> None:
        """Do nothing."""

    def arrived(self) -> bool:
        """Return True: there is nothing to wait for."""
        return True

    def ping(self) -> None:
        """Do nothing: it always answers."""

    def close(self) -> None:
        """Do nothing: it has no connections."""


def stored(entity: Entity, records: Iterable[Record | None], now: float | None) -> Reply:
    """Return the reply of a store that holds these features.

    Args:
        entity: the entity of the features.
        records: the features of each key; None if a key is missing.
        now: Unix seconds, for `max_age`; None if age does not matter.

    Raises:
        TypeError: a value is neither a number nor text.
    """
    lines = [_line(entity, record or {}, now) for record in records]
    shape = len(lines), len(entity.fields)
    values = np.array([values for _, values in lines], np.float64).reshape(shape)
    with np.errstate(over="ignore"):
        values = values.astype(layout_of(entity).number_type).astype(np.float64)  # with the precision that Redis has
    absent = np.array([[value is None for value in values] for _, values in lines], np.bool_).reshape(shape)
    return Reply(values, absent, np.array([lookup for lookup, _ in lines], np.uint8))


def _line(entity: Entity, record: Record, now: float | None) -> tuple[Lookup, list[float | None]]:
    """Return the look-up result of a key, and the number of each feature; None is absent."""
    nothing: list[float | None] = [None] * len(entity.fields)
    if all(record.get(name) is None for name in entity.fields):
        return Lookup.MISSING, nothing
    if now is not None and entity.max_age is not None:
        for time in layout_of(entity).times(entity):
            changed = _number(record.get(time.name))
            is_fresh = changed is not None and math.isfinite(changed) and now - changed <= entity.max_age
            if not is_fresh and any(record.get(name) is not None for name in time.fields):
                return Lookup.STALE, nothing
    return Lookup.HIT, [_number(record.get(name)) for name in entity.fields]


def _number(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:  # a text that is not a number is absent in a hash, too
        return None


def _problems(known: Sequence[str], features: object) -> Iterator[Problem]:
    if not isinstance(features, Mapping):
        yield Problem("features", f"is a {type(features).__name__}", "expected {entity: {key: {feature: value}}}")
        return
    for entity, records in features.items():
        where = f"features: {entity}"
        if entity not in known:
            hint = did_you_mean(str(entity), known)
            yield Problem(where, f"the plan has no such entity{hint}", f"it has {', '.join(known) or 'none'}")
        elif not isinstance(records, Mapping):
            yield Problem(where, f"is a {type(records).__name__}", "expected {key: {feature: value}}")
        else:
            wrong = next((key for key, record in records.items() if not isinstance(record, Mapping | None)), None)
            if wrong is not None:
                what = f"{wrong!r} is a {type(records[wrong]).__name__}"
                yield Problem(where, what, "expected {feature: value}")
