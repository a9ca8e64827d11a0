"""Writing features to Redis in the layouts of a plan."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from scorer.errors import Unavailable
from scorer.plan.plan import Entity
from scorer.store.redis.resp import command
from scorer.store.redis.url import parse
from scorer.store.redis.writer import Write, Writer

CHUNK = 1000  # keys that are written in one round trip


@dataclass(frozen=True, slots=True)
class Stored:
    """The features of one key.

    key:     the key in Redis.
    values:  the text of a number for each field of the entity; empty if a field has no value.
    updated: Unix seconds as text; empty if the entity has no `max_age`.
    """

    key: bytes
    values: tuple[str, ...]
    updated: str = ""


def write(url: str, entity: Entity, lines: Iterable[Stored], on_progress: Callable[[int], None]) -> int:
    """Write features; a field without a value is removed, or NaN in a packed value.

    Args:
        url:         the value of `features.url`.
        entity:      the entity of the features.
        lines:       the features; if a key occurs twice, the last one wins.
        on_progress: called with the number of lines written so far.

    Returns:
        How many lines were written.

    Raises:
        Unavailable: the server does not answer, or refuses a command.
    """
    commands_of = _hash_commands if entity.layout == "hash" else _packed_commands
    left, done = iter(lines), 0
    try:
        with closing(Writer(parse(url))) as writer:
            while chunk := list(islice(left, CHUNK)):
                writer.write([Write(stored.key, commands_of(entity, stored)) for stored in chunk])
                done += len(chunk)
                on_progress(done)
    except Unavailable as error:
        raise Unavailable(f"{error}; at least {done:,} lines were written, and it is safe to load again") from None
    return done


def _hash_commands(entity: Entity, stored: Stored) -> list[bytes]:
    there = {field: text for field, text in zip(entity.fields, stored.values, strict=True) if text}
    if stored.updated and entity.updated:
        there[entity.updated] = stored.updated
    pairs = [part.encode() for pair in there.items() for part in pair]
    gone = [field.encode() for field in entity.fields if field not in there]
    commands = [command(b"HSET", stored.key, *pairs)] if pairs else []
    return [*commands, command(b"HDEL", stored.key, *gone)] if gone else commands


def _packed_commands(entity: Entity, stored: Stored) -> list[bytes]:
    row = np.array([float(text) if text else np.nan for text in stored.values])
    assert len(row) == len(entity.fields)  # noqa: S101  a shorter value would be INVALID
    return [command(b"SET", stored.key, row.astype("<f4").tobytes())]
