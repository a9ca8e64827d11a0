"""A cache of the store's replies, for a bounded time and in bounded memory.

It is set-associative, like a CPU's cache: a key can only be in the few lines of its set, and when all of them are
taken, a new key replaces the oldest reply. So nothing needs to be cleaned up, and nothing grows.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import Bytes, BytesOut, Floats, Floats2, Ints, Ints2, entry, kernel
from scorer.arrays.spans import HASH_BITS, SEED, Spans, Texts, copy, hash_of, same
from scorer.batch import Lookup
from scorer.plan.plan import Entity
from scorer.store.protocol import Answers, Reply, Request

WAYS = 8  # lines of a set
KEY_ROOM = 128  # bytes; a longer key is never cached
NO_LINE = -1
TAG, ASKED = 0, 1  # columns of a line's head: the key's hash below its length; when its reply was requested
NOBODY, NEVER = -1, np.iinfo(np.int64).min  # the head of an unused line
HIT, STALE, UNAVAILABLE = np.uint8(Lookup.HIT), np.uint8(Lookup.STALE), np.uint8(Lookup.UNAVAILABLE)

Ask = Callable[[Sequence[Request], float], list[Reply]]


class Lines(NamedTuple):
    """The lines of a cache: a key and its reply each."""

    heads: Ints2  # [lines, 2]: TAG and ASKED
    numbers: Floats2  # [lines, 1 + fields]: the time of the last change, Unix seconds; the values
    texts: BytesOut  # [lines * (1 + fields + KEY_ROOM)]: the Lookup, which values are absent, and the key
    seed: int  # of the hashes

    @classmethod
    def unused(cls, lines: int, fields: int) -> "Lines":
        """Return lines without keys."""
        heads = np.full((lines, 2), NOBODY)
        heads[:, ASKED] = NEVER
        room = lines * (1 + fields + KEY_ROOM)
        return cls(heads, np.empty((lines, 1 + fields)), np.empty(room, np.uint8), SEED)


class _Ages(NamedTuple):
    """What decides whether a reply is too old."""

    since: int  # monotonic nanoseconds; replies requested then or before are too old
    now: float  # Unix seconds
    max_age: float  # seconds since the last change of the features, up to `now`


class _Received(NamedTuple):
    """What the store answered for some of the keys."""

    rows: Ints  # [answers]: the index of the key of each
    answers: Answers  # [answers]; those that are UNAVAILABLE are not cached
    changed: Floats  # [answers]: Unix seconds of the last change of the features
    asked: int  # monotonic nanoseconds, when they were requested


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
        self._lines = Lines.unused(lines, self._fields)

    def recall(self, keys: Texts, since: int, now: float) -> tuple[Reply, Ints]:
        """Return the replies that were requested after `since`, and the indexes of the keys without one."""
        found, rows = Answers.empty(len(keys), self._fields), np.empty(len(keys), np.int64)
        known = recall(keys.spans, _Ages(since, now, self._max_age), self._lines, found, rows)
        return Reply(*found, reused=known), rows[: len(keys) - known]

    def keep(self, keys: Texts, rows: Ints, asked: int, answer: Reply, reply: Reply) -> None:
        """Put the answers for some keys into the reply, and cache them."""
        changed = np.zeros(len(rows)) if answer.changed is None else np.ascontiguousarray(answer.changed)
        keep(keys.spans, _Received(rows, answer.answers, changed, asked), self._lines, reply.answers)


@kernel
def _tag(keys: Spans, key: int, seed: int) -> np.int64:
    """Return the TAG of a key: its hash, below its length."""
    start, end = keys.starts[key], keys.ends[key]
    return hash_of(keys.data, start, end, seed) | np.int64(end - start) << np.int64(HASH_BITS)


@kernel
def _first(tag: np.int64, lines: int) -> int:
    """Return the first line of a key's set."""
    return int(tag & ((1 << HASH_BITS) - 1)) % (lines // WAYS) * WAYS


@kernel
def _line(data: Bytes, start: int, end: int, tag: np.int64, lines: Lines) -> int:
    """Return the line of a key, data[start:end] of uint8 [bytes], or NO_LINE."""
    heads, texts = lines.heads, lines.texts
    first, size = _first(tag, len(heads)), len(texts) // len(heads)
    for line in range(first, first + WAYS):
        if heads[line, TAG] == tag and same(data, start, texts, (line + 1) * size - KEY_ROOM, end - start):
            return line
    return NO_LINE


@kernel
def _oldest(first: int, heads: Ints2) -> int:
    """Return an unused line of the set that begins at `first`, or the line whose reply was requested first.

    Args:
        first: a line.
        heads: int64 [lines, 2].
    """
    oldest = first
    for line in range(first + 1, first + WAYS):
        if heads[line, ASKED] < heads[oldest, ASKED]:
            oldest = line
    return oldest


@entry
def recall(keys: Spans, ages: _Ages, lines: Lines, reply: Answers, rows: Ints) -> int:
    """Fill in the cached replies, and return how many keys have one.

    Args:
        keys: [keys].
        ages: which replies are too old.
        lines: the cache.
        reply: [keys], output, for the keys that are cached.
        rows: int64 [keys], output: the indexes of the other keys, from the start of the array.
    """
    heads, numbers, texts = lines.heads, lines.numbers, lines.texts
    values, absent, lookup = reply.values, reply.absent, reply.results
    since, now, max_age = ages.since, ages.now, ages.max_age
    size, unknown = len(texts) // len(heads), 0
    for key in range(len(keys.starts)):
        line = _line(keys.data, keys.starts[key], keys.ends[key], _tag(keys, key, lines.seed), lines)
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
    return len(keys.starts) - unknown


@entry
def keep(keys: Spans, received: _Received, lines: Lines, reply: Answers) -> None:
    """Copy answers to the reply and to the cache, into the key's line or that of the oldest reply of its set.

    Args:
        keys: [keys].
        received: the answers.
        lines: the cache, updated in place.
        reply: [keys], output, for the keys with an answer.
    """
    heads, numbers, texts = lines.heads, lines.numbers, lines.texts
    values, absent, lookup = received.answers.values, received.answers.absent, received.answers.results
    size, fields = len(texts) // len(heads), values.shape[1]
    for row in range(len(received.rows)):
        key = received.rows[row]
        start, end = keys.starts[key], keys.ends[key]
        reply.results[key] = lookup[row]
        for field in range(fields):
            reply.values[key, field], reply.absent[key, field] = values[row, field], absent[row, field]
        if lookup[row] == UNAVAILABLE or end - start > KEY_ROOM:
            continue
        tag = _tag(keys, key, lines.seed)
        line = _line(keys.data, start, end, tag, lines)
        if line == NO_LINE:
            line = _oldest(_first(tag, len(heads)), heads)
            heads[line, TAG] = tag
            copy(keys.data, start, end, texts, (line + 1) * size - KEY_ROOM)
        heads[line, ASKED], numbers[line, 0] = received.asked, received.changed[row]
        at = line * size
        texts[at] = lookup[row]
        for field in range(fields):
            numbers[line, 1 + field], texts[at + 1 + field] = values[row, field], absent[row, field]
