"""What the store answered lately, so that it need not be asked again: for a bounded time, in bounded memory.

Memory is laid out as in a processor's cache: a key can stand in a few lines only, those of its set, and where all are
taken, a new one takes that of the answer that is oldest. So there is nothing to clean up, and nothing that grows.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Lookup
from scorer.features.layouts import Reply, Request
from scorer.features.plan import Entity
from scorer.features.texts import HASH_BITS, SEED, Texts, copy, hash_of, same
from scorer.kernel import kernel

WAYS = 8  # lines of a set: as many tags as the processor fetches at once
KEY_ROOM = 128  # bytes; a longer key is never kept
NO_LINE = -1
_NOBODY = -1  # the tag of a line that no key has
UNAVAILABLE = np.uint8(Lookup.UNAVAILABLE)

Ask = Callable[[Sequence[Request], float], list[Reply]]


class Cache:
    """Answers for a store, for some time after each of its answers.

    Everything is kept that the store said of a key, that it has none of its features included; that it could not
    answer is kept never.

    Args:
        entities: of the plan.
        ttl_ms: how long an answer is good, from before its question was sent; use does not lengthen that.
        max_entries: how many keys of each entity are kept at most, rounded up to whole sets.
        monotonic: seconds.
    """

    def __init__(
        self,
        entities: Sequence[Entity],
        ttl_ms: int,
        max_entries: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl, self._monotonic = ttl_ms / 1000, monotonic
        self._shelves = [_Shelf(entity, -(-max_entries // WAYS) * WAYS) for entity in entities]

    def fetch(self, requests: Sequence[Request], now: float, ask: Ask) -> list[Reply]:
        """Answer as `Store.fetch`, and ask only for what is not known.

        Args:
            requests: one an entity, in the order of the plan.
            now: Unix seconds, for `max_age`, which is judged anew each time.
            ask: asks the store, of requests without keys nothing.

        Raises:
            Unavailable: of the store, where not all is known.
        """
        asked = self._monotonic()
        keys = [Texts.of(request.keys) for request in requests]
        known = [shelf.recall(texts, asked - self._ttl, now) for shelf, texts in zip(self._shelves, keys, strict=True)]
        lacking = [
            Request(request.entity, texts.take(rows))
            for request, texts, (_, rows) in zip(requests, keys, known, strict=True)
        ]
        if any(request.keys for request in lacking):
            answers = ask(lacking, now)
            for shelf, request, (reply, rows), answer in zip(self._shelves, lacking, known, answers, strict=True):
                reply.values[rows], reply.absent[rows], reply.lookup[rows] = answer.values, answer.absent, answer.lookup
                shelf.keep(Texts.of(request.keys), answer, asked)
        return [reply for reply, _ in known]


class _Shelf:
    """The answers of one entity: a line for each key, in arrays of [lines]."""

    def __init__(self, entity: Entity, lines: int) -> None:
        self._max_age = entity.max_age
        self._keys = np.empty(lines * KEY_ROOM, np.uint8)  # [lines * KEY_ROOM]
        self._tags = np.full(lines, _NOBODY)
        self._asked = np.full(lines, -np.inf)  # seconds, of the monotonic clock
        self._values = np.empty((lines, len(entity.fields)))
        self._absent = np.empty((lines, len(entity.fields)), np.bool_)
        self._lookup = np.empty(lines, np.uint8)
        self._changed = np.zeros(lines)

    def recall(self, keys: Texts, since: float, now: float) -> tuple[Reply, NDArray[np.int64]]:
        """Return what was answered since some time, and the numbers of the keys of which that says nothing."""
        lines = np.empty(len(keys), np.int64)
        find(keys.data, keys.starts, keys.ends, SEED, since, self._keys, self._tags, self._asked, lines)
        unknown = np.flatnonzero(lines == NO_LINE)
        reply = Reply(self._values[lines], self._absent[lines], self._lookup[lines], reused=len(keys) - len(unknown))
        if self._max_age is not None:
            stale = (reply.lookup == Lookup.HIT) & (now - self._changed[lines] > self._max_age)
            reply.values[stale], reply.absent[stale], reply.lookup[stale] = np.nan, True, Lookup.STALE
        return reply, unknown

    def keep(self, keys: Texts, answer: Reply, asked: float) -> None:
        """Keep what was answered."""
        lines = np.empty(len(keys), np.int64)
        place(keys.data, keys.starts, keys.ends, SEED, asked, answer.lookup, self._keys, self._tags, self._asked, lines)
        kept = np.flatnonzero(lines != NO_LINE)
        lines = lines[kept]
        self._values[lines], self._absent[lines] = answer.values[kept], answer.absent[kept]
        self._lookup[lines] = answer.lookup[kept]
        if answer.changed is not None:
            self._changed[lines] = answer.changed[kept]


@kernel(bare=True)
def _tag(data: NDArray[np.uint8], start: int, end: int, seed: int) -> np.int64:
    """Return a key's hash, and above it its length."""
    return hash_of(data, start, end, seed) | np.int64(end - start) << np.int64(HASH_BITS)


@kernel(bare=True)
def _first(tag: np.int64, lines: int) -> int:
    """Return the first line of a key's set."""
    return int(tag & ((1 << HASH_BITS) - 1)) % (lines // WAYS) * WAYS


@kernel(bare=True)
def _line(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8], start: int, end: int, tag: np.int64, keys: NDArray[np.uint8], tags: NDArray[np.int64]
) -> int:
    """Return the line in which a key stands, or NO_LINE."""
    first = _first(tag, len(tags))
    for line in range(first, first + WAYS):
        if tags[line] == tag and same(data, start, keys, line * KEY_ROOM, end - start):
            return line
    return NO_LINE


@kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64, float64, uint8[::1], int64[::1], "
    "float64[::1], int64[::1])",
    bare=True,
)
def find(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    seed: int,
    since: float,
    keys: NDArray[np.uint8],
    tags: NDArray[np.int64],
    asked: NDArray[np.float64],
    lines: NDArray[np.int64],
) -> None:
    """Say where keys stand of which something is known that was asked for after some time.

    Args:
        data: uint8 [bytes], what the keys point into.
        starts: int64 [keys], where each starts in it.
        ends: int64 [keys], where it ends.
        seed: of the hash.
        since: seconds, of the clock of `asked`.
        keys: uint8 [lines * KEY_ROOM], the key in each line.
        tags: int64 [lines], its tag.
        asked: float64 [lines], when its answer was asked for.
        lines: int64 [keys], to be filled: the line of each key, or NO_LINE.
    """
    for key in range(len(starts)):
        line = _line(data, starts[key], ends[key], _tag(data, starts[key], ends[key], seed), keys, tags)
        lines[key] = line if line != NO_LINE and asked[line] > since else NO_LINE


@kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64, float64, uint8[::1], uint8[::1], "
    "int64[::1], float64[::1], int64[::1])",
    bare=True,
)
def place(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    seed: int,
    now: float,
    lookup: NDArray[np.uint8],
    keys: NDArray[np.uint8],
    tags: NDArray[np.int64],
    asked: NDArray[np.float64],
    lines: NDArray[np.int64],
) -> None:
    """Give each key of which there is an answer a line: its own, or that of the oldest answer in its set.

    Args:
        data: uint8 [bytes], what the keys point into.
        starts: int64 [keys], where each starts in it.
        ends: int64 [keys], where it ends.
        seed: of the hash.
        now: when the answers were asked for; seconds.
        lookup: uint8 [keys], a Lookup.
        keys: as `find` takes it; like
        tags: and
        asked: it is changed where a line is given.
        lines: int64 [keys], to be filled: the line of each key; NO_LINE where there is no answer, or no room for it.
    """
    for key in range(len(starts)):
        lines[key] = NO_LINE
        start, end = starts[key], ends[key]
        if lookup[key] == UNAVAILABLE or end - start > KEY_ROOM:
            continue
        tag = _tag(data, start, end, seed)
        line = _line(data, start, end, tag, keys, tags)
        if line == NO_LINE:
            first = _first(tag, len(tags))
            line = first
            for other in range(first + 1, first + WAYS):
                if asked[other] < asked[line]:
                    line = other
            copy(data, start, end, keys, line * KEY_ROOM)
            tags[line] = tag
        asked[line] = now
        lines[key] = line
