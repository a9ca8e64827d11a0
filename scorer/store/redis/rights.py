"""Whether the user of Redis may do what a replica does, found out by doing it."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from scorer.errors import Unavailable
from scorer.plan.plan import Entity
from scorer.store.protocol import Denied, Request
from scorer.store.redis.server import open_store
from scorer.store.redis.url import Target


def reading_concerns(target: Target, timeout_ms: int, entity: Entity, keys: Sequence[bytes]) -> list[str]:
    """Look up features as a replica does, of keys that are there and of one that is made up.

    Args:
        target:     where Redis is.
        timeout_ms: for each look-up.
        entity:     whose features.
        keys:       of it, that are in Redis; none where it could not be searched.

    Returns:
        Texts of warnings: the made-up key was refused where all that are there were not.

    Raises:
        Unavailable: the user may not read them, with what to grant; or the server does not answer.
    """
    with closing(open_store(target, timeout_ms)) as store:
        if keys:
            store.fetch([Request(entity, keys)], 0.0)
        try:
            store.fetch([Request(entity, [_made_up(entity)])], 0.0)
        except Denied as denied:
            told = f"{denied} (the key is made up, as events may bring it)"
            if not keys:
                raise Unavailable(told) from None
            return [f"plan.yaml: entities.{entity.name}: {told}; the keys that are there may be read"]
    return []


def _made_up(entity: Entity) -> bytes:
    now = datetime.now(UTC)
    return entity.key.fill(part.text(now) if part.format else b"0" for part in entity.key.parts)
