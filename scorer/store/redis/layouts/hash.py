"""Layout `hash`: a Redis hash for each key, with numbers as text."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.floats import NO_TEXT, by_python, parse
from scorer.arrays.kernel import Flags, Floats, Ints, entry
from scorer.batch import Lookup
from scorer.errors import did_you_mean
from scorer.plan.plan import Entity
from scorer.security.printable import printable
from scorer.store.protocol import Answers, Reply, Request
from scorer.store.redis.bounds import VALUE_ROOM
from scorer.store.redis.layouts.layout import LOADING, Dated, Finding, Server, Stored
from scorer.store.redis.resp import ERROR, VALUE, Cells, command, commands, equal_widths

MOST_NAMES = 1000  # most fields of a hash that are searched for one with a similar name
HIT, MISSING, STALE, INVALID = (np.uint8(each) for each in (Lookup.HIT, Lookup.MISSING, Lookup.STALE, Lookup.INVALID))


class HashLayout:
    """HMGET for each key."""

    redis_type = "hash"
    number_type: type[np.float32] | type[np.float64] = np.float64
    writer = LOADING

    def lookups(self, request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:  # noqa: ARG002  always one key a command
        """Return one HMGET for each key."""
        fields = fields_asked(request.entity)
        return commands(request.keys, *_command(fields)), equal_widths(len(request.keys), len(fields))

    def is_together(self, request: Request, *, singly: bool) -> bool:  # noqa: ARG002  as above
        """Whether one command has more than one key: never."""
        return False

    def most_bytes(self, entity: Entity) -> int:
        """Return how many bytes the fields of one hash may take."""
        return VALUE_ROOM * len(fields_asked(entity))

    def times(self, entity: Entity) -> tuple[Dated, ...]:
        """Return the one time of all features."""
        return () if entity.max_age is None or entity.updated is None else (Dated(entity.updated, entity.fields),)

    def read(self, entity: Entity, cells: Cells, now: float) -> Reply:
        """Parse the numbers, field by field."""
        width, features = len(fields_asked(entity)), len(entity.fields)
        kinds, starts, ends = cells.marks
        numbers, numeric = parse(cells.data, np.where(kinds == VALUE, starts, NO_TEXT), ends)
        changed = numbers[features::width] if width > features else None
        found = Answers.empty(len(kinds) // width, features)
        judge(_Parsed(kinds, numbers, numeric, width), now, max_age_of(entity), found)
        return Reply(*found, changed)

    def writes(self, entity: Entity, stored: Stored) -> list[bytes]:
        """Return HSET of the fields that have a value, and HDEL of the others."""
        there = {field: text for field, text in zip(entity.fields, stored.values, strict=True) if text}
        if stored.updated and entity.updated:
            there[entity.updated] = stored.updated
        pairs = [part.encode() for pair in there.items() for part in pair]
        gone = [field.encode() for field in entity.fields if field not in there]
        write = [command(b"HSET", stored.key, *pairs)] if pairs else []
        return [*write, command(b"HDEL", stored.key, *gone)] if gone else write

    def findings(self, server: Server, key: bytes, shown_key: str, entity: Entity) -> Iterator[Finding]:
        """Check that each field is there and is a number."""
        fields = fields_asked(entity)
        texts = server.texts(b"HMGET", key, *(field.encode() for field in fields), count=len(fields))
        for name, text in zip(fields, texts, strict=True):
            if text is None:
                fault = f"'{shown_key}' has no field '{name}'{did_you_mean(name, names(server, key))}"
                yield Finding(name, fault, usual=name != entity.updated)
            else:
                _, is_number = by_python(text)
                fault = f"'{shown_key}' has {text[:40]!r} in field '{name}', not a number"
                yield Finding(name, "" if is_number else fault)


def fields_asked(entity: Entity) -> tuple[str, ...]:
    """Return the hash fields that a look-up reads: the features, then the time of the last change if it is needed."""
    return entity.fields if entity.max_age is None or entity.updated is None else (*entity.fields, entity.updated)


def max_age_of(entity: Entity) -> float:
    """Return the greatest age of an entity's features, in seconds."""
    return float("inf") if entity.max_age is None else float(entity.max_age)


@functools.cache
def _command(fields: tuple[str, ...]) -> tuple[bytes, bytes]:
    return hmget([field.encode() for field in fields])


def hmget(fields: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the parts before and after the key in the command for the given fields."""
    head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(fields))
    return head, command(*fields).split(b"\r\n", 1)[1]


def names(server: Server, key: bytes) -> list[str]:
    """Return the fields of a hash; none if they are too many to search for a similar name."""
    if server.number(b"HLEN", key) > MOST_NAMES:
        return []
    return [printable(name.decode(errors="replace")) for name in server.texts(b"HKEYS", key) if name is not None]


class _Parsed(NamedTuple):
    """The values of all hashes, end to end."""

    kinds: Ints  # [keys * width]: VALUE, ABSENT or ERROR
    numbers: Floats  # [keys * width]: the parsed values
    numeric: Flags  # [keys * width]: whether a value is a number
    width: int  # fields read of each hash: its features and, with a `max_age`, the time of the last change


@entry
def judge(cells: _Parsed, now: float, max_age: float, found: Answers) -> None:
    """Decide the look-up result of each hash, and which of its features are absent.

    Args:
        cells: the values.
        now: Unix seconds.
        max_age: seconds.
        found: [keys], output.
    """
    kinds, numbers, width = cells.kinds, cells.numbers, cells.width
    values, absent, lookup = found.values, found.absent, found.results
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
            absent[key, feature] = state != HIT or not cells.numeric[first + feature]
            values[key, feature] = numbers[first + feature] if state == HIT else np.nan
