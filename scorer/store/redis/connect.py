"""One round trip to Redis for all keys of a batch, on connections of our own.

We write the bytes of the commands and read those of the replies ourselves, because a client that creates an object for
each reply costs ten times as much. redis-py does the connecting: addresses, TLS, passwords, sentinels.
"""

from scorer.store.protocol import Store
from scorer.store.redis.server import open_store
from scorer.store.redis.url import parse


def connect(url: str, timeout_ms: int) -> Store:
    """Return the store at a URL; the first call that needs it connects.

    Args:
        url:        as `features.url`.
        timeout_ms: what a call may take, connecting included.

    Raises:
        Misconfigured: the URL is wrong.
    """
    return open_store(parse(url), timeout_ms)
