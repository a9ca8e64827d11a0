"""Features that came with an event take the place of those that would be looked up for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.spans import Texts
from scorer.batch import NO_SLOT, Found, Lookup
from scorer.plan import Entity
from scorer.rest.rows import Inline
from scorer.scoring import Prepared
from scorer.scoring.features import Keyed
from scorer.store import Request, stored

HIT = np.uint8(Lookup.HIT)


def without_given(prepared: Prepared, given: Mapping[int, Inline]) -> Prepared:
    """Return a batch that looks up no key of rows that have their features already.

    Args:
        prepared: the batch.
        given: by row, the features that came with it.
    """
    if not given:
        return prepared
    keyed, requests = [], []
    for request, (slots, keys) in zip(prepared.requests, prepared.keyed, strict=True):
        rows = [row for row, features in given.items() if request.entity.name in features]
        kept = slots.copy()
        kept[rows] = NO_SLOT
        asked = _compact(kept, keys)
        keyed.append(asked)
        requests.append(Request(request.entity, asked[1]))
    return replace(prepared, keyed=keyed, requests=requests)


def with_given(prepared: Prepared, found: Sequence[Found], given: Mapping[int, Inline]) -> tuple[Found, ...]:
    """Return the features of a batch: those that were looked up, and those that came with its rows.

    Their age does not matter. A feature that is left out is absent, as in the store.

    Args:
        prepared: the batch, with the keys of all rows.
        found: the features that were looked up, in the order of its requests.
        given: by row, the features that came with it.
    """
    if not given:
        return tuple(found)
    parts = zip(prepared.requests, prepared.keyed, found, strict=True)
    return tuple(_joined(request.entity, keyed, each, given) for request, keyed, each in parts)


def _joined(entity: Entity, keyed: Keyed, found: Found, given: Mapping[int, Inline]) -> Found:
    rows = [row for row, features in given.items() if entity.name in features]
    if not rows:
        return found
    reply = stored(entity, [given[row][entity.name] for row in rows], now=None)
    before, keys = keyed
    slots, first = found.slots.copy(), len(found.results)
    slots[rows] = np.arange(first, first + len(rows), dtype=np.int32)
    slots[
        [row for row, result in zip(rows, reply.results, strict=True) if result != HIT and before[row] == NO_SLOT]
    ] = NO_SLOT  # it has neither a key nor features
    return replace(
        found,
        slots=slots,
        values=np.concatenate([found.values, reply.values]),
        absent=np.concatenate([found.absent, reply.absent]),
        results=np.concatenate([found.results, reply.results]),
        keys=[*found.keys, *(keys[before[row]] if before[row] != NO_SLOT else b"" for row in rows)],
    )


def _compact(slots: NDArray[np.int32], keys: Texts) -> Keyed:
    """Drop the keys that no row needs any more."""
    used = np.unique(slots[slots != NO_SLOT])
    if len(used) == len(keys):
        return slots, keys
    number = np.full(len(keys) + 1, NO_SLOT, np.int32)  # the last is that of NO_SLOT
    number[used] = np.arange(len(used), dtype=np.int32)
    return number[slots], keys.take(used.astype(np.int64))
