"""The layouts of features in Redis: the commands that look them up, and the decoding of the replies."""

import functools

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.floats import NO_TEXT, parse
from scorer.arrays.kernel import kernel
from scorer.arrays.spans import word
from scorer.batch import Lookup
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.bounds import VALUE_ROOM
from scorer.store.redis.resp import ABSENT, BARE, ERROR, VALUE, Cells, command, commands

FLOAT32 = 4  # bytes
NAN = np.float32(np.nan).view(np.uint32)  # the bits of a NaN
HIT, MISSING, STALE, INVALID = (np.uint8(each) for each in (Lookup.HIT, Lookup.MISSING, Lookup.STALE, Lookup.INVALID))


def commands_of(request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:
    """Return the commands that look the features up, and the widths of their replies for `Inbox.expect`.

    A key of another type is INVALID, except with MGET, which returns null for it: there it is MISSING.

    Args:
        request: the request.
        singly:  use one key in each command, as a cluster requires.
    """
    keys = request.keys
    if not keys:
        return b"", np.empty(0, np.int64)
    if request.entity.layout == "hash":
        head, tail, width = _hash_command(fields_asked(request.entity))
        return commands(keys, head, tail), np.full(len(keys), width)
    if singly:
        return commands(keys, b"*2\r\n$3\r\nGET\r\n", b""), np.full(len(keys), BARE)
    return b"*%d\r\n$4\r\nMGET\r\n" % (1 + len(keys)) + commands(keys, b"", b""), np.array([len(keys)])


def most_bytes(request: Request) -> int:
    """Return how many bytes the values of a request's replies may take, for `Inbox.expect`."""
    packed, fields = request.entity.layout == "packed", len(fields_asked(request.entity))
    return len(request.keys) * (VALUE_ROOM + FLOAT32 * fields if packed else VALUE_ROOM * fields)


def read(request: Request, cells: Cells, now: float) -> Reply:
    """Decode the replies to a request. A key whose reply is an error is INVALID.

    Args:
        request: the request.
        cells:   the values of the replies, in the order of the keys and, in a hash, of its fields.
        now:     Unix seconds, for `max_age`.
    """
    if request.entity.layout == "hash":
        return _read_hash(request.entity, cells, now)
    return _read_packed(request.entity, cells)


def fields_asked(entity: Entity) -> tuple[str, ...]:
    """Return the hash fields that a look-up reads: the features, then the time of the last change if it is needed."""
    return entity.fields if entity.max_age is None or entity.updated is None else (*entity.fields, entity.updated)


@functools.cache
def _hash_command(fields: tuple[str, ...]) -> tuple[bytes, bytes, int]:
    """Return the parts before and after the key in the command for the given fields, and the number of fields."""
    head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(fields))
    return head, command(*(field.encode() for field in fields)).split(b"\r\n", 1)[1], len(fields)


def _read_hash(entity: Entity, cells: Cells, now: float) -> Reply:
    width, features = len(fields_asked(entity)), len(entity.fields)
    kinds, starts, ends = cells.marks
    numbers, numeric = parse(cells.data, np.where(kinds == VALUE, starts, NO_TEXT), ends)
    shape = len(kinds) // width, features
    changed = numbers[features::width] if width > features else None
    reply = Reply(np.empty(shape), np.empty(shape, np.bool_), np.empty(shape[0], np.uint8), changed)
    age = np.inf if entity.max_age is None else float(entity.max_age)
    judge(kinds, numbers, numeric, width, now, age, reply.values, reply.absent, reply.lookup)
    return reply


def _read_packed(entity: Entity, cells: Cells) -> Reply:
    shape = cells.marks.shape[1], len(entity.fields)
    words, absent, lookup = np.empty(shape, np.uint32), np.empty(shape, np.bool_), np.empty(shape[0], np.uint8)
    unpack(cells.data, cells.marks, words, absent, lookup)
    return Reply(words.view(np.float32).astype(np.float64), absent, lookup)


@kernel(
    "void(int64[::1], float64[::1], boolean[::1], int64, float64, float64, float64[:, ::1], boolean[:, ::1], "
    "uint8[::1])",
    refcounts=False,
)
def judge(  # noqa: PLR0913, PLR0917  a kernel takes arrays, not objects of them
    kinds: NDArray[np.int64],
    numbers: NDArray[np.float64],
    numeric: NDArray[np.bool_],
    width: int,
    now: float,
    max_age: float,
    values: NDArray[np.float64],
    absent: NDArray[np.bool_],
    lookup: NDArray[np.uint8],
) -> None:
    """Decide the look-up result of each hash, and which of its features are absent.

    Args:
        kinds: int64 [keys * width], VALUE, ABSENT or ERROR.
        numbers: float64 [keys * width], the parsed values.
        numeric: bool [keys * width], whether a value is a number.
        width: how many fields of each hash were read: its features and, with a `max_age`, the time of the last change.
        now: Unix seconds.
        max_age: seconds.
        values: float64 [keys, features], output.
        absent: bool [keys, features], output.
        lookup: uint8 [keys], output.
    """
    features = values.shape[1]
    for key in range(len(lookup)):
        first = key * width
        state = MISSING
        for cell in range(first, first + features):
            if kinds[cell] == VALUE:
                state = HIT
        if kinds[first] == ERROR:
            state = INVALID
        elif state == HIT and width > features:
            changed = numbers[first + features]
            if not np.isfinite(changed) or now - changed > max_age:
                state = STALE
        lookup[key] = state
        for feature in range(features):
            absent[key, feature] = state != HIT or not numeric[first + feature]
            values[key, feature] = numbers[first + feature] if state == HIT else np.nan


@kernel("void(uint8[::1], int64[:, :], uint32[:, ::1], boolean[:, ::1], uint8[::1])", refcounts=False)
def unpack(
    data: NDArray[np.uint8],
    marks: NDArray[np.int64],
    words: NDArray[np.uint32],
    absent: NDArray[np.bool_],
    lookup: NDArray[np.uint8],
) -> None:
    """Copy each packed value of the right length into its row of words, otherwise NaN; note the look-up results."""
    for key in range(len(words)):
        kind, start, end = marks[0, key], marks[1, key], marks[2, key]
        state = HIT
        if kind == ABSENT:
            state = MISSING
        elif kind == ERROR or end - start != FLOAT32 * words.shape[1]:
            state = INVALID
        lookup[key] = state
        for field in range(words.shape[1]):
            absent[key, field] = state != HIT
            words[key, field] = word(data, np.uint64(start + FLOAT32 * field)) if state == HIT else NAN
