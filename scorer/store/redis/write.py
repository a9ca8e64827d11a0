"""Writing features to Redis in the layouts of a plan."""

from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice

from scorer.errors import Unavailable
from scorer.plan.plan import Entity
from scorer.store.redis.layouts import Stored, writable
from scorer.store.redis.url import parse
from scorer.store.redis.writer import Write, Writer

CHUNK = 1000  # keys that are written in one round trip


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
        Misconfigured: another system writes features of this layout.
        Unavailable:   the server does not answer, or refuses a command.
    """
    commands_of = writable(entity).writes
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
