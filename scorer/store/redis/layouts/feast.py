"""Layout `feast`: what Feast's online store keeps in Redis, a hash for each entity key.

The hash has all views of the same join keys and project. The name of a feature's field is a hash of `view:feature`, and
the field `_ts:view` has the time of a view's last change.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Flags2, Floats, Floats2, Ints, entry
from scorer.batch import Lookup
from scorer.errors import did_you_mean
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.bounds import VALUE_ROOM
from scorer.store.redis.layouts.feast_values import NULL, NUMBER, Parsed, parse_values, why_no_number
from scorer.store.redis.layouts.hash import hmget, max_age_of, names
from scorer.store.redis.layouts.layout import Dated, Finding, Server
from scorer.store.redis.resp import ERROR, Cells, commands, equal_widths

TIME = "_ts:"  # the beginning of the fields with the time of a view's last change
BLOCK = 4  # bytes that the hash takes at a time
BITS = 0xFFFFFFFF
HIT, MISSING, STALE, INVALID = (np.uint8(each) for each in (Lookup.HIT, Lookup.MISSING, Lookup.STALE, Lookup.INVALID))


class FeastLayout:
    """HMGET for each key."""

    redis_type = "hash"
    number_type: type[np.float32] | type[np.float64] = np.float64
    writer = "Feast's `materialize`"

    def lookups(self, request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:  # noqa: ARG002  always one key a command
        """Return one HMGET for each key."""
        asked = _asked(request.entity)
        return commands(request.keys, asked.head, asked.tail), equal_widths(len(request.keys), asked.width)

    def is_together(self, request: Request, *, singly: bool) -> bool:  # noqa: ARG002  as above
        """Whether one command has more than one key: never."""
        return False

    def most_bytes(self, entity: Entity) -> int:
        """Return how many bytes the fields of one hash may take."""
        return VALUE_ROOM * _asked(entity).width

    def times(self, entity: Entity) -> tuple[Dated, ...]:
        """Return the time of each view."""
        return _asked(entity).times

    def read(self, entity: Entity, cells: Cells, now: float) -> Reply:
        """Parse the values, field by field."""
        asked, features = _asked(entity), len(entity.fields)
        parsed = parse_values(cells, features, asked.width)
        keys = cells.marks.shape[1] // asked.width
        shape = keys, features
        answer = Answer(np.empty(shape), np.empty(shape, np.bool_), np.empty(keys, np.uint8), np.empty(keys))
        judge(_Fields(cells.kinds, asked.views, asked.width), parsed, now, max_age_of(entity), answer)
        return Reply(answer.values, answer.absent, answer.results, answer.changed if asked.times else None)

    def findings(self, server: Server, key: bytes, shown_key: str, entity: Entity) -> Iterator[Finding]:
        """Check that each view and feature is there, and that each feature is a number."""
        for view, features in _by_view(entity.fields).items():
            fields = [f"{TIME}{view}".encode(), *map(field_of, features)]
            time, *values = server.texts(b"HMGET", key, *fields, count=len(fields))
            there = [view] if time is not None else _views(server, key)
            fault = f"'{shown_key}' has no feature view '{view}'{did_you_mean(view, there)}"
            yield Finding(f"{TIME}{view}", "" if time is not None else fault, usual=True)
            for feature, value in zip(features, values, strict=True):
                if value is not None:
                    what = why_no_number(value)
                    yield Finding(feature, f"'{shown_key}' has {what} in '{feature}', not a number" if what else "")
                elif time is not None:
                    fault = f"'{shown_key}' has no feature '{feature}', although it has the view"
                    yield Finding(feature, fault, usual=True)


class _Asked(NamedTuple):
    """What a look-up of an entity asks for: the features, then the time of each view if there is a `max_age`.

    head:  the command before the key.
    tail:  the command after the key.
    width: how many fields are asked for.
    views: int64 [features], the number of each feature's view.
    times: the time of each view; empty without a `max_age`.
    """

    head: bytes
    tail: bytes
    width: int
    views: NDArray[np.int64]
    times: tuple[Dated, ...]


def _asked(entity: Entity) -> _Asked:
    return _asked_for(entity.fields, entity.max_age is not None)


@functools.cache
def _asked_for(features: tuple[str, ...], dated: bool) -> _Asked:  # noqa: FBT001  the key of a cache
    by_view = _by_view(features)
    times = tuple(Dated(f"{TIME}{view}", of_view) for view, of_view in by_view.items() if dated)
    fields = [*map(field_of, features), *(each.name.encode() for each in times)]
    views = {feature: number for number, of_view in enumerate(by_view.values()) for feature in of_view}
    return _Asked(*hmget(fields), len(fields), np.array([views[feature] for feature in features]), times)


def _by_view(features: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the features of each view, in the order of the first of each."""
    views: dict[str, tuple[str, ...]] = {}
    for feature in features:
        view = feature.partition(":")[0]
        views[view] = (*views.get(view, ()), feature)
    return views


def _views(server: Server, key: bytes) -> list[str]:
    """Return the views that a hash has."""
    return [name.removeprefix(TIME) for name in names(server, key) if name.startswith(TIME)]


@functools.cache
def field_of(feature: str) -> bytes:
    """Return the name of the hash field of `view:feature`: MurmurHash3 of 32 bits with seed 0, little-endian."""
    text, hashed = feature.encode(), 0
    for start in range(0, len(text), BLOCK):
        block = text[start : start + BLOCK]
        hashed ^= _turned(int.from_bytes(block, "little") * 0xCC9E2D51 & BITS, 15) * 0x1B873593 & BITS
        if len(block) == BLOCK:
            hashed = (_turned(hashed, 13) * 5 + 0xE6546B64) & BITS
    hashed ^= len(text)
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & BITS
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & BITS
    return (hashed ^ hashed >> 16).to_bytes(BLOCK, "little")


def _turned(bits: int, left: int) -> int:
    return (bits << left | bits >> (32 - left)) & BITS


class Answer(NamedTuple):
    """The arrays of a Reply."""

    values: Floats2  # [keys, features]
    absent: Flags2  # [keys, features]
    results: Codes  # [keys]
    changed: Floats  # [keys]


class _Fields(NamedTuple):
    """The fields that were read of each hash: its features and, with a `max_age`, the time of each view."""

    kinds: Ints  # [keys * width]: VALUE, ABSENT or ERROR
    views: Ints  # [features]: the number of each feature's view, which is that of a time after the features
    width: int  # how many fields were read of each hash


@entry
def judge(fields: _Fields, parsed: Parsed, now: float, max_age: float, answer: Answer) -> None:
    """Decide the look-up result of each hash, and which of its features are absent.

    A key is STALE if any of its views is whose features are there: one time is kept for each key, by the cache as well.

    Args:
        fields: the fields.
        parsed: [keys * width], their values.
        now: Unix seconds.
        max_age: seconds.
        answer: output.
    """
    features, width = len(fields.views), fields.width
    for key in range(len(answer.results)):
        first = key * width
        state, oldest = MISSING, np.inf
        for feature in range(features):
            if parsed.found[first + feature] != NULL:
                state = HIT
                if width > features:
                    oldest = min(oldest, parsed.numbers[first + features + fields.views[feature]])
        if fields.kinds[first] == ERROR:
            state = INVALID
        elif state == HIT and width > features and now - oldest > max_age:
            state = STALE
        answer.results[key], answer.changed[key] = state, oldest
        for feature in range(features):
            there = state == HIT and parsed.found[first + feature] == NUMBER
            answer.absent[key, feature] = not there
            answer.values[key, feature] = parsed.numbers[first + feature] if there else np.nan
