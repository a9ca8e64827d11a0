"""One round trip to Redis for all keys of a batch, with our own reader and writer of the protocol.

We encode commands and decode replies ourselves, because a client that creates an object for each reply takes ten times
as long. redis-py opens the connections: addresses, TLS, Unix sockets.
"""

from scorer.store.protocol import Store
from scorer.store.redis.server import open_store
from scorer.store.redis.url import parse


def connect(url: str, timeout_ms: int) -> Store:
    """Return the store at a URL; the first call that needs it connects.

    Args:
        url:        the value of `features.url`.
        timeout_ms: how long a call may take, including connecting.

    Raises:
        Misconfigured: the URL is wrong.
    """
    return open_store(parse(url), timeout_ms)
