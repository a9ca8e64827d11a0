"""A cache of the store's replies, for a bounded time and in bounded memory.

It is set-associative, like a CPU's cache: a key can only be in the few lines of its set, and when all of them are
taken, a new key replaces the oldest reply. So nothing needs to be cleaned up, and nothing grows.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import kernel
from scorer.arrays.spans import HASH_BITS, SEED, Texts, copy, hash_of, same
from scorer.batch import Lookup
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request

WAYS = 8  # lines of a set
KEY_ROOM = 128  # bytes; a longer key is never cached
NO_LINE = -1
TAG, ASKED = 0, 1  # columns of a line's head: the key's hash below its length; when its reply was requested
NOBODY, NEVER = -1, np.iinfo(np.int64).min  # the head of an unused line
HIT, STALE, UNAVAILABLE = np.uint8(Lookup.HIT), np.uint8(Lookup.STALE), np.uint8(Lookup.UNAVAILABLE)

Ask = Callable[[Sequence[Request], float], list[Reply]]
# The heads, int64 [lines, 2]; the time of the last change (Unix seconds) and the values, float64 [lines, 1 + fields];
# the Lookup, which values are absent, and the key, uint8 [lines * (1 + fields + KEY_ROOM)].
Lines = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]
Answers = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.uint8]]  # the first three arrays of a Reply
_KEYS = "Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64"
_LINES = "Tuple((int64[:, ::1], float64[:, ::1], uint8[::1]))"
_ANSWERS = "Tuple((float64[:, ::1], boolean[:, ::1], uint8[::1]))"


class Cache:
    """Caches the replies of a store for a limited time.

    Every result of a look-up is cached, including MISSING, except UNAVAILABLE.

    Args:
        entities: the entities of the plan.
        ttl_ms: how long a reply is valid, counted from before its request was sent; use does not extend it.
        max_entries: the most keys that are cached for each entity, rounded up to whole sets.
        monotonic: a clock in nanoseconds.
    """

    def __init__(
        self,
        entities: Sequence[Entity],
        ttl_ms: int,
        max_entries: int,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._ttl, self._monotonic = ttl_ms * 1_000_000, monotonic
        self._shelves = [_Shelf(entity, -(-max_entries // WAYS) * WAYS) for entity in entities]

    def fetch(self, requests: Sequence[Request], now: float, ask: Ask) -> list[Reply]:
        """As `Store.fetch`, but ask the store only for keys that are not cached.

        Args:
            requests: one for each entity, in the order of the plan.
            now: Unix seconds, for `max_age`, which is checked at every fetch.
            ask: asks the store; a request without keys asks for nothing.

        Raises:
            Unavailable: not all keys are cached, and the store is unavailable.
        """
        asked = self._monotonic()
        keys = [Texts.of(request.keys) for request in requests]
        known = [shelf.recall(each, asked - self._ttl, now) for shelf, each in zip(self._shelves, keys, strict=True)]
        lacking = [
            Request(request.entity, each.take(rows))
            for request, each, (_, rows) in zip(requests, keys, known, strict=True)
        ]
        if any(request.keys for request in lacking):
            answers = ask(lacking, now)
            for shelf, each, (reply, rows), answer in zip(self._shelves, keys, known, answers, strict=True):
                shelf.keep(each, rows, asked, answer, reply)
        return [reply for reply, _ in known]


class _Shelf:
    """The cached replies of one entity, with a line for each key."""

    def __init__(self, entity: Entity, lines: int) -> None:
        self._max_age = np.inf if entity.max_age is None else float(entity.max_age)
        self._fields = len(entity.fields)
        heads = np.full((lines, 2), NOBODY)
        heads[:, ASKED] = NEVER
        self._lines = (
            heads,
            np.empty((lines, 1 + self._fields)),
            np.empty(lines * (1 + self._fields + KEY_ROOM), np.uint8),
        )

    def recall(self, keys: Texts, since: int, now: float) -> tuple[Reply, NDArray[np.int64]]:
        """Return the replies that were requested after `since`, and the indexes of the keys without one."""
        count, shape = len(keys), (len(keys), self._fields)
        reply: Answers = (np.empty(shape), np.empty(shape, np.bool_), np.empty(count, np.uint8))
        rows = np.empty(count, np.int64)
        known = recall(keys.data, keys.starts, keys.ends, SEED, since, now, self._max_age, self._lines, reply, rows)
        return Reply(*reply, reused=known), rows[: count - known]

    def keep(self, keys: Texts, rows: NDArray[np.int64], asked: int, answer: Reply, reply: Reply) -> None:
        """Put the answers for some keys into the reply, and cache them."""
        changed = np.zeros(len(rows)) if answer.changed is None else np.ascontiguousarray(answer.changed)
        answers = answer.values, answer.absent, answer.lookup
        replies = reply.values, reply.absent, reply.lookup
        keep(keys.data, keys.starts, keys.ends, SEED, rows, asked, changed, answers, self._lines, replies)


@kernel(refcounts=False)
def _tag(data: NDArray[np.uint8], start: int, end: int, seed: int) -> np.int64:
    return hash_of(data, start, end, seed) | np.int64(end - start) << np.int64(HASH_BITS)


@kernel(refcounts=False)
def _first(tag: np.int64, lines: int) -> int:
    """Return the first line of a key's set."""
    return int(tag & ((1 << HASH_BITS) - 1)) % (lines // WAYS) * WAYS


@kernel(refcounts=False)
def _line(data: NDArray[np.uint8], start: int, end: int, tag: np.int64, lines: Lines) -> int:
    """Return the line of a key, or NO_LINE."""
    heads, _, texts = lines
    first, size = _first(tag, len(heads)), len(texts) // len(heads)
    for line in range(first, first + WAYS):
        if heads[line, TAG] == tag and same(data, start, texts, (line + 1) * size - KEY_ROOM, end - start):
            return line
    return NO_LINE


@kernel(refcounts=False)
def _oldest(first: int, heads: NDArray[np.int64]) -> int:
    """Return an unused line of a set, or the line whose reply was requested first."""
    oldest = first
    for line in range(first + 1, first + WAYS):
        if heads[line, ASKED] < heads[oldest, ASKED]:
            oldest = line
    return oldest


@kernel(f"int64({_KEYS}, int64, float64, float64, {_LINES}, {_ANSWERS}, int64[::1])", refcounts=False)
def recall(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    seed: int,
    since: int,
    now: float,
    max_age: float,
    lines: Lines,
    reply: Answers,
    rows: NDArray[np.int64],
) -> int:
    """Fill in the cached replies, and return how many keys have one.

    Args:
        data: uint8 [bytes], the bytes that the keys are slices of.
        starts: int64 [keys], where each key starts in `data`.
        ends: int64 [keys], where each key ends.
        seed: the seed of the hash.
        since: monotonic nanoseconds; replies requested then or before are too old.
        now: Unix seconds.
        max_age: seconds.
        lines: the cache.
        reply: [keys], output, for the keys that are cached.
        rows: int64 [keys], output: the indexes of the other keys, from the start of the array.
    """
    heads, numbers, texts = lines
    values, absent, lookup = reply
    size, unknown = len(texts) // len(heads), 0
    for key in range(len(starts)):
        line = _line(data, starts[key], ends[key], _tag(data, starts[key], ends[key], seed), lines)
        if line == NO_LINE or heads[line, ASKED] <= since:
            rows[unknown] = key
            unknown += 1
            continue
        at = line * size
        stale = texts[at] == HIT and now - numbers[line, 0] > max_age
        lookup[key] = STALE if stale else texts[at]
        for field in range(values.shape[1]):
            values[key, field] = np.nan if stale else numbers[line, 1 + field]
            absent[key, field] = stale or texts[at + 1 + field] != 0
    return len(starts) - unknown


@kernel(f"void({_KEYS}, int64[::1], int64, float64[::1], {_ANSWERS}, {_LINES}, {_ANSWERS})", refcounts=False)
def keep(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    seed: int,
    rows: NDArray[np.int64],
    asked: int,
    changed: NDArray[np.float64],
    answers: Answers,
    lines: Lines,
    reply: Answers,
) -> None:
    """Copy answers to the reply and to the cache, into the key's line or that of the oldest reply of its set.

    Args:
        data: uint8 [bytes], the bytes that the keys are slices of.
        starts: int64 [keys], where each key starts in `data`.
        ends: int64 [keys], where each key ends.
        seed: the seed of the hash.
        rows: int64 [answers], the index of the key of each answer.
        asked: monotonic nanoseconds, when the answers were requested.
        changed: float64 [answers], Unix seconds of the last change of the features.
        answers: [answers]; those that are UNAVAILABLE are not cached.
        lines: the cache, updated in place.
        reply: [keys], output, for the keys with an answer.
    """
    heads, numbers, texts = lines
    values, absent, lookup = answers
    size, fields = len(texts) // len(heads), values.shape[1]
    for row in range(len(rows)):
        key = rows[row]
        start, end = starts[key], ends[key]
        reply[2][key] = lookup[row]
        for field in range(fields):
            reply[0][key, field], reply[1][key, field] = values[row, field], absent[row, field]
        if lookup[row] == UNAVAILABLE or end - start > KEY_ROOM:
            continue
        tag = _tag(data, start, end, seed)
        line = _line(data, start, end, tag, lines)
        if line == NO_LINE:
            line = _oldest(_first(tag, len(heads)), heads)
            heads[line, TAG] = tag
            copy(data, start, end, texts, (line + 1) * size - KEY_ROOM)
        heads[line, ASKED], numbers[line, 0] = asked, changed[row]
        at = line * size
        texts[at] = lookup[row]
        for field in range(fields):
            numbers[line, 1 + field], texts[at + 1 + field] = values[row, field], absent[row, field]
