"""The steps from events to the matrix: make the keys, look them up, assemble the matrix."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Codes2, Flags, Flags2, Ints2, Ints32, entry
from scorer.arrays.spans import Texts
from scorer.batch import NO_SLOT, Events, Field, Found, Lookup, Matrix, Reason, Rejected
from scorer.errors import Misconfigured, Problem, Unavailable
from scorer.plan.plan import Entity, Plan
from scorer.scoring.keyring import Keyring
from scorer.scoring.matrix import Assembler
from scorer.security.printable import printable
from scorer.store.fallback import unavailable_replies
from scorer.store.protocol import Denied, Fetch, PointInTime, Reply, Request

HIT, MISSING = np.uint8(Lookup.HIT), np.uint8(Lookup.MISSING)
_ABSENCES = (Lookup.MISSING, Lookup.STALE, Lookup.INVALID)

Keyed = tuple[NDArray[np.int32], Texts]  # for one entity: [rows] the index of each row's key, or NO_SLOT; the keys


class Features:
    """Gives the events of a batch their features.

    Args:
        plan: the source of each column of the model; checked against the fields (`Plan.problems`).
        fields: the fields of the event schema, by dotted path.
        fetch: looks features up; None if the plan has no entities.
        when_missing: `impute` or `dead-letter`, for entities without a policy of their own.
        when_unavailable: `dead-letter` rejects the rows whose look-up was UNAVAILABLE; any other policy scores them.

    Raises:
        Misconfigured: the plan has entities, but `fetch` is None.
    """

    def __init__(
        self, plan: Plan, fields: Mapping[str, Field], fetch: Fetch | None, when_missing: str, when_unavailable: str
    ) -> None:
        if plan.entities and fetch is None:
            what = f"missing, and the plan has entities: {', '.join(entity.name for entity in plan.entities)}"
            raise Misconfigured([Problem("features", what, "set features.url to the address of Redis")])
        self._entities, self._fetch = plan.entities, fetch
        self._past = fetch if isinstance(fetch, PointInTime) else None
        self._keyrings = [Keyring(entity.key, fields) for entity in plan.entities]
        self._assembler = Assembler(plan, fields)
        self._refused = np.zeros((len(plan.entities), len(Lookup)), np.bool_)  # the results that make a dead letter
        self._refused[:, Lookup.UNAVAILABLE] = when_unavailable == "dead-letter"
        for refused, entity in zip(self._refused, plan.entities, strict=True):
            refused[list(_ABSENCES)] = (entity.when_missing or when_missing) == "dead-letter"
        self._refuses = bool(self._refused.any())

    def keys(self, events: Events, wanted: Sequence[NDArray[np.bool_]] | None = None) -> list[Keyed]:
        """Return the distinct keys of a batch for each entity, in the order of the plan.

        Args:
            events: the batch.
            wanted: bool [rows] for each entity, the rows that need it; by default all that are not rejected.
        """
        rows = [good_rows(events)] * len(self._keyrings) if wanted is None else wanted
        return [keyring.keys(events, of_entity) for keyring, of_entity in zip(self._keyrings, rows, strict=True)]

    def requests(self, keyed: Sequence[Keyed]) -> list[Request]:
        """Return the requests for the distinct keys of a batch, given the result of `keys` for it."""
        return [Request(entity, keys) for entity, (_, keys) in zip(self._entities, keyed, strict=True)]

    def look_up(
        self, keyed: Sequence[Keyed], events: Events, now: float, requests: Sequence[Request] | None = None
    ) -> tuple[Found, ...]:
        """Look up the distinct keys of a batch in one round trip, or in none if it has no keys or all are cached.

        Args:
            keyed: the result of `keys` for the batch.
            events: the batch, used to name an event in an error.
            now: Unix seconds, for the age of features.
            requests: the result of `requests`, which may have been sent ahead; made here by default.

        Returns:
            The features of each entity, in the order of the plan. If the store is unavailable and the policy is not to
            wait, every look-up is UNAVAILABLE.

        Raises:
            Unavailable: the store is unavailable, and the policy is to wait.
        """
        requests = self.requests(keyed) if requests is None else requests
        if self._past is not None:
            return self._past.found(requests, [slots for slots, _ in keyed], events.time, now)
        try:
            replies = self._ask(requests, now)
        except Denied as denied:
            text = f"{denied}{_needed_by(denied, requests, keyed, events)}"
            raise Unavailable(text, denied.shown) from None
        return tuple(
            Found(request.entity.name, slots, reply.values, reply.absent, reply.results, request.keys, reply.reused)
            for request, reply, (slots, _) in zip(requests, replies, keyed, strict=True)
        )

    def assemble(self, events: Events, found: Sequence[Found], known: NDArray[np.int64] | None = None) -> Matrix:
        """Make the matrix of a batch.

        Args:
            events: the batch.
            found: the result of `look_up` for the batch.
            known: int64 [entities, Lookup], the counted results of a larger batch, of which this is a part. Then
                nothing is counted here, unless rows are to be rejected for their results.

        Returns:
            The matrix. It rejects rows that lack required features, and rows with an infinity.
        """
        good = good_rows(events)
        if known is not None and not (self._refuses and known[self._refused].any()):
            values, infinite = self._assembler.assemble(events, found, good)
            return Matrix(values, np.empty((events.rows, 0), np.bool_), rejected=infinite)
        states, missing, lookups = count(found, [good] * len(found), events.rows)
        scored, rejected = good, list[Rejected]()
        if self._refuses and lookups[self._refused].any():
            rejected = list(self._without_features(found, states, good))
            scored = good.copy()
            scored[[each.row for each in rejected]] = False
        values, infinite = self._assembler.assemble(events, found, scored)
        return Matrix(
            values,
            missing=missing,
            degraded=bool(np.count_nonzero(lookups[:, Lookup.UNAVAILABLE])),
            lookups=lookups,
            rejected=[*rejected, *infinite],
        )

    def _ask(self, requests: Sequence[Request], now: float) -> list[Reply]:
        asks = self._fetch is not None and any(request.keys for request in requests)
        return self._fetch(requests, now) if self._fetch and asks else unavailable_replies(requests)

    def _without_features(
        self, found: Sequence[Found], states: NDArray[np.uint8], good: NDArray[np.bool_]
    ) -> Iterator[Rejected]:
        """Reject the rows whose policy for a missing entity is a dead letter, naming every entity they lack."""
        lacking = np.take_along_axis(self._refused, states.astype(np.intp), 1) & good
        for row in np.flatnonzero(lacking.any(0)).tolist():
            reasons = [
                _why(self._entities[each], found[each], row, Lookup(states[each, row]), self._place(each))
                for each in np.flatnonzero(lacking[:, row]).tolist()
            ]
            yield Rejected(row, Reason.NO_FEATURES, "; ".join(reasons))

    def _place(self, entity: int) -> str:
        """Return where the features of an entity are, for messages."""
        return "Redis" if self._past is None else self._past.place(self._entities[entity].name)


def good_rows(events: Events) -> NDArray[np.bool_]:
    """Return which rows were not rejected before."""
    good = np.ones(events.rows, np.bool_)
    if events.rejected:
        good[[each.row for each in events.rejected]] = False
    return good


class Counts(NamedTuple):
    """The look-up results of a batch."""

    states: Codes2  # [entities, rows]: a Lookup
    missing: Flags2  # [rows, entities]: whether a counted row lacks the entity
    lookups: Ints2  # [entities, Lookup]: how many counted rows had each result


def count(found: Sequence[Found], wanted: Sequence[NDArray[np.bool_]], rows: int) -> Counts:
    """Count the look-up results of a batch.

    Args:
        found: the result of `look_up` for the batch.
        wanted: bool [rows] for each entity, the rows to count.
        rows: how many the batch has.
    """
    states, missing = np.empty((len(found), rows), np.uint8), np.empty((rows, len(found)), np.bool_)
    counts = Counts(states, missing, np.zeros((len(found), len(Lookup)), np.int64))
    for at, (each, of_entity) in enumerate(zip(found, wanted, strict=True)):
        count_outcomes(each.slots, each.results, of_entity, at, counts)
    return counts


@entry
def count_outcomes(slots: Ints32, results: Codes, good: Flags, entity: int, counts: Counts) -> None:
    """Note and count the look-up results of one entity by row; a row without a key is MISSING.

    Args:
        slots: [rows], the line of each row's key, or NO_SLOT.
        results: [lines], a Lookup each.
        good: [rows], the rows to count.
        entity: the entity's number.
        counts: output; only what belongs to this entity is written.
    """
    for row in range(len(slots)):
        state = results[slots[row]] if slots[row] != NO_SLOT else MISSING
        counts.states[entity, row] = state
        counts.missing[row, entity] = good[row] and state != HIT
        counts.lookups[entity, state] += good[row]


def _needed_by(denied: Denied, requests: Sequence[Request], keyed: Sequence[Keyed], events: Events) -> str:
    """Return which event needs the key that may not be read; empty if that is not known."""
    for request, (slots, keys) in zip(requests, keyed, strict=True):
        if events is None or denied.key is None or request.entity.name != denied.entity:
            continue
        slot = next((slot for slot, key in enumerate(keys) if key == denied.key), NO_SLOT)
        for row in np.flatnonzero((slots == slot) & (slots != NO_SLOT))[:1].tolist():
            event = events.data[events.id_starts[row] : events.id_ends[row]].tobytes()
            return f"; event '{printable(event.decode(errors='backslashreplace'))}' needs it"
    return ""


def _why(entity: Entity, found: Found, row: int, state: Lookup, place: str) -> str:
    slot = found.slots[row]
    if slot == NO_SLOT:
        limits = " or ".join(dict.fromkeys(part.limit for part in entity.key.parts if part.limit))
        null = f"null, or {limits}" if limits else "null"
        return f"entity '{entity.name}' is missing: a field in its key '{entity.key.text}' is {null}"
    words = {
        Lookup.MISSING: f"no features in {place} at",
        Lookup.STALE: "its features are older than `max_age` at",
        Lookup.INVALID: f"the value in {place} does not match layout {entity.layout} at",
        Lookup.UNAVAILABLE: f"{place} did not answer for",
    }
    key = entity.key.readable(found.keys[slot])
    return f"entity '{entity.name}' is {state.name.lower()}: {words[state]} key '{key}'"
