"""One round trip to Redis for all keys of a batch, on connections of our own.

We write the bytes of the commands and read those of the replies ourselves, because a client that creates an object for
each reply costs ten times as much. redis-py does the connecting: addresses, TLS, passwords, sentinels.
"""

from scorer.store.protocol import Store


def connect(url: str, timeout_ms: int) -> Store:
    """Return the store at a URL; the first call that needs it connects.

    Args:
        url:        as `features.url`.
        timeout_ms: what a call may take, connecting included.

    Raises:
        Misconfigured: the URL is wrong.
    """
    # Plans without entities need no Redis, and importing redis-py takes a tenth of the time of a start.
    from scorer.store.redis.server import open_store  # noqa: PLC0415  see above
    from scorer.store.redis.url import parse  # noqa: PLC0415  see above

    return open_store(parse(url), timeout_ms)
