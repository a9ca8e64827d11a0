"""How features lie in Redis: the commands that ask for them, and what their replies say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Lookup
from scorer.features.numbers import NO_TEXT, parse
from scorer.features.plan import Entity
from scorer.features.resp import ABSENT, BARE, ERROR, VALUE, Cells, command, commands
from scorer.kernel import kernel

FLOAT32 = 4  # bytes
HIT, MISSING, INVALID = np.uint8(Lookup.HIT), np.uint8(Lookup.MISSING), np.uint8(Lookup.INVALID)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """The features of one entity for the distinct keys of a batch."""

    entity: Entity
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What the store has for a request. Where a look-up is not a HIT, all its fields are absent."""

    values: NDArray[np.float64]  # [keys, fields], NaN where absent
    absent: NDArray[np.bool_]  # [keys, fields]: not there or not a number
    lookup: NDArray[np.uint8]  # [keys]: a Lookup


def questions(request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:
    """Return the commands that ask for the features, and the widths of their replies as `Inbox.expect` takes them.

    A key of another type is INVALID, but for MGET, which has nothing to say of it: there it is MISSING.

    Args:
        request: what is asked for.
        singly:  never name two keys in one command, as a cluster wants it.
    """
    keys = list(request.keys)
    if not keys:
        return b"", np.empty(0, np.int64)
    if request.entity.layout == "hash":
        head, tail, width = _hash_command(request.entity)
        return commands(keys, head, tail), np.full(len(keys), width)
    if singly:
        return commands(keys, b"*2\r\n$3\r\nGET\r\n", b""), np.full(len(keys), BARE)
    return command(b"MGET", *keys), np.array([len(keys)])


def read(request: Request, cells: Cells, now: float) -> Reply:
    """Return what the replies say. An error among them makes its key INVALID.

    Args:
        request: what was asked for.
        cells:   what was answered, in the order of the keys and, in a hash, of its fields.
        now:     Unix seconds, for `max_age`.
    """
    if request.entity.layout == "hash":
        return _read_hash(request.entity, cells, now)
    return _read_packed(request.entity, cells)


def fields_asked(entity: Entity) -> list[bytes]:
    """Return the hash fields that a look-up reads: the features, then the one with the time of the last change."""
    updated = [entity.updated] if entity.max_age is not None and entity.updated is not None else []
    return [field.encode() for field in (*entity.fields, *updated)]


def _hash_command(entity: Entity) -> tuple[bytes, bytes, int]:
    fields = fields_asked(entity)
    head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(fields))
    return head, command(*fields).split(b"\r\n", 1)[1], len(fields)


def _read_hash(entity: Entity, cells: Cells, now: float) -> Reply:
    width, features = len(fields_asked(entity)), len(entity.fields)
    kinds, starts, ends = cells.marks
    there = kinds == VALUE
    numbers, is_number = parse(cells.data, np.where(there, starts, NO_TEXT), np.ascontiguousarray(ends))
    values, numeric = numbers.reshape(-1, width), is_number.reshape(-1, width)
    lookup = np.where(there.reshape(-1, width)[:, :features].any(1), HIT, MISSING)
    if entity.max_age is not None:
        with np.errstate(invalid="ignore"):
            fresh = np.isfinite(values[:, -1]) & (now - values[:, -1] <= entity.max_age)
        lookup[(lookup == Lookup.HIT) & ~fresh] = Lookup.STALE
    lookup[kinds[::width] == ERROR] = Lookup.INVALID
    return _reply(values[:, :features].copy(), ~numeric[:, :features], lookup)


def _read_packed(entity: Entity, cells: Cells) -> Reply:
    words = np.zeros((cells.marks.shape[1], len(entity.fields)), np.uint32)
    lookup = np.empty(len(words), np.uint8)
    unpack(cells.data, cells.marks, words, lookup)
    values = words.view(np.float32).astype(np.float64)
    return _reply(values, np.zeros(values.shape, np.bool_), lookup)


def _reply(values: NDArray[np.float64], absent: NDArray[np.bool_], lookup: NDArray[np.uint8]) -> Reply:
    bad = lookup != Lookup.HIT
    values[bad], absent[bad] = np.nan, True
    return Reply(values, absent, lookup)


@kernel("void(uint8[::1], int64[:, :], uint32[:, ::1], uint8[::1])")
def unpack(
    data: NDArray[np.uint8], marks: NDArray[np.int64], words: NDArray[np.uint32], lookup: NDArray[np.uint8]
) -> None:
    """Copy each packed value of the right length into its row of words, and say what became of each."""
    for key in range(len(words)):
        kind, start, end = marks[0, key], marks[1, key], marks[2, key]
        if kind == ABSENT:
            lookup[key] = MISSING
        elif kind == ERROR or end - start != FLOAT32 * words.shape[1]:
            lookup[key] = INVALID
        else:
            lookup[key] = HIT
            for field in range(words.shape[1]):
                at = start + FLOAT32 * field
                for byte in range(FLOAT32):
                    words[key, field] |= np.uint32(data[at + byte]) << np.uint32(8 * byte)
