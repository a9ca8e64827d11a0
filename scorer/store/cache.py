"""What the store answered lately, so that it need not be asked again: for a bounded time, in bounded memory.

Memory is laid out as in a processor's cache: a key can stand in a few lines only, those of its set, and where all are
taken, a new one takes that of the oldest answer. So there is nothing to clean up, and nothing that grows.
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
KEY_ROOM = 128  # bytes; a longer key is never kept
NO_LINE = -1
TAG, ASKED = 0, 1  # of the head of a line: the key's hash with its length above; when its answer was asked for
NOBODY, NEVER = -1, np.iinfo(np.int64).min  # there, of a line that was never used
HIT, STALE, UNAVAILABLE = np.uint8(Lookup.HIT), np.uint8(Lookup.STALE), np.uint8(Lookup.UNAVAILABLE)

Ask = Callable[[Sequence[Request], float], list[Reply]]
# The heads, int64 [lines, 2]; when the features changed, Unix seconds, and their values, float64 [lines, 1 + fields];
# its Lookup, which values are absent, and the key, uint8 [lines * (1 + fields + KEY_ROOM)].
Lines = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]
Answers = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.uint8]]  # the first three arrays of a Reply
_KEYS = "Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64"
_LINES = "Tuple((int64[:, ::1], float64[:, ::1], uint8[::1]))"
_ANSWERS = "Tuple((float64[:, ::1], boolean[:, ::1], uint8[::1]))"


class Cache:
    """Answers for a store, for some time after each of its answers.

    Everything is kept that the store said of a key, that it has none of its features included; that it could not
    answer is kept never.

    Args:
        entities: of the plan.
        ttl_ms: how long an answer is good, from before its question was sent; use does not lengthen that.
        max_entries: how many keys of each entity are kept at most, rounded up to whole sets.
        monotonic: nanoseconds.
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
    """The answers of one entity, a line for each key."""

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
        """Return what was answered since some time, and the numbers of the keys of which that says nothing."""
        count, shape = len(keys), (len(keys), self._fields)
        reply: Answers = (np.empty(shape), np.empty(shape, np.bool_), np.empty(count, np.uint8))
        rows = np.empty(count, np.int64)
        known = recall(keys.data, keys.starts, keys.ends, SEED, since, now, self._max_age, self._lines, reply, rows)
        return Reply(*reply, reused=known), rows[: count - known]

    def keep(self, keys: Texts, rows: NDArray[np.int64], asked: int, answer: Reply, reply: Reply) -> None:
        """Put what was answered of some keys into the reply, and keep it."""
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
    """Return the line in which a key stands, or NO_LINE."""
    heads, _, texts = lines
    first, size = _first(tag, len(heads)), len(texts) // len(heads)
    for line in range(first, first + WAYS):
        if heads[line, TAG] == tag and same(data, start, texts, (line + 1) * size - KEY_ROOM, end - start):
            return line
    return NO_LINE


@kernel(refcounts=False)
def _oldest(first: int, heads: NDArray[np.int64]) -> int:
    """Return the line of a set whose answer was asked for first, or that was never used."""
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
    """Fill in what is known of keys, and return of how many that is something.

    Args:
        data: uint8 [bytes], what the keys point into.
        starts: int64 [keys], where each starts in it.
        ends: int64 [keys], where it ends.
        seed: of the hash.
        since: what was asked for then, or before, is not known any more; nanoseconds, of the monotonic clock.
        now: Unix seconds.
        max_age: seconds.
        lines: what is kept.
        reply: [keys], to be filled in, but for the keys of which nothing is known: their numbers are put into
        rows: int64 [keys], at its beginning.
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
    """Put answers into the reply and into lines: that of the same key, or that of the oldest answer of its set.

    Args:
        data: uint8 [bytes], what the keys point into.
        starts: int64 [keys], where each starts in it.
        ends: int64 [keys], where it ends.
        seed: of the hash.
        rows: int64 [answers], to which key each belongs.
        asked: when; nanoseconds, of the monotonic clock.
        changed: float64 [answers], when the features changed; Unix seconds.
        answers: [answers], of which those that say that the store could not answer are not kept.
        lines: what is kept.
        reply: [keys], to be filled in where there is an answer.
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
