"""Checks that the Redis user may do what a replica does, by doing it."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from scorer.errors import Unavailable
from scorer.plan.plan import Entity
from scorer.store.protocol import Denied, Request
from scorer.store.redis.server import open_store
from scorer.store.redis.url import Target


def reading_concerns(target: Target, timeout_ms: int, entity: Entity, keys: Sequence[bytes]) -> list[str]:
    """Look up features as a replica does, at existing keys and at one invented key.

    Args:
        target:     where Redis is.
        timeout_ms: the timeout of each look-up.
        entity:     the entity to look up.
        keys:       existing keys of the entity; empty if Redis could not be searched.

    Returns:
        Warnings: the invented key was refused, although the existing ones were not.

    Raises:
        Unavailable: the user may not read the keys, with what to grant; or the server does not answer.
    """
    with closing(open_store(target, timeout_ms)) as store:
        if keys:
            store.fetch([Request(entity, keys)], 0.0)
        try:
            store.fetch([Request(entity, [_made_up(entity)])], 0.0)
        except Denied as denied:
            text = f"{denied} (an invented key, such as an event may have)"
            if not keys:
                raise Unavailable(text) from None
            return [f"plan.yaml: entities.{entity.name}: {text}; the existing keys may be read"]
    return []


def _made_up(entity: Entity) -> bytes:
    now = datetime.now(UTC)
    return entity.key.fill(part.example(now) for part in entity.key.parts)
