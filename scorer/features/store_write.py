"""Writing features, as the layouts of a plan want them to lie in Redis."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from scorer.errors import Unavailable
from scorer.features.plan import Entity
from scorer.features.store_client import client
from scorer.features.store_url import parse

CHUNK = 1000  # entities that are written in one round trip
SECONDS = 10.0  # to wait for an answer: writing many takes longer than `timeout_ms`, which is for look-ups


@dataclass(frozen=True, slots=True)
class Stored:
    """The features of one key.

    key:     in Redis.
    values:  text of a number for each field of the entity; empty where it has none.
    updated: Unix seconds as text; empty where the entity has no `max_age`.
    """

    key: bytes
    values: tuple[str, ...]
    updated: str = ""


def write(url: str, entity: Entity, lines: Iterable[Stored], told: Callable[[int], None]) -> int:
    """Write features; a field without a value is removed, in a packed value it is NaN.

    Args:
        url:    as `features.url`.
        entity: whose features they are.
        lines:  the features; of the same key twice, the last stay.
        told:   is given the number of lines written so far.

    Returns:
        How many lines were written.

    Raises:
        Unavailable: the server does not answer or refuses.
    """
    put = _put_hash if entity.layout == "hash" else _put_packed
    left, done = iter(lines), 0
    try:
        with client(parse(url), SECONDS) as redis:
            while chunk := list(islice(left, CHUNK)):
                pipeline = redis.pipeline(transaction=False)
                for stored in chunk:
                    put(pipeline, entity, stored)
                pipeline.execute()
                done += len(chunk)
                told(done)
    except Unavailable as error:
        raise Unavailable(f"{error}; {done:,} lines or more were written, and loading again does no harm") from None
    return done


def _put_hash(pipeline: Any, entity: Entity, stored: Stored) -> None:  # noqa: ANN401  redis-py's, of either kind
    there = {field: text for field, text in zip(entity.fields, stored.values, strict=True) if text}
    if stored.updated and entity.updated:
        there[entity.updated] = stored.updated
    if there:
        pipeline.hset(stored.key, mapping=there)
    if gone := [field for field in entity.fields if field not in there]:
        pipeline.hdel(stored.key, *gone)


def _put_packed(pipeline: Any, entity: Entity, stored: Stored) -> None:  # noqa: ANN401  the same
    row = np.array([float(text) if text else np.nan for text in stored.values])
    assert len(row) == len(entity.fields)  # noqa: S101  a shorter value would be INVALID
    pipeline.set(stored.key, row.astype("<f4").tobytes())
