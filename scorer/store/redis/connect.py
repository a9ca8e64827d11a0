"""One round trip to Redis for all keys of a batch, with our own reader and writer of the protocol.

We encode commands and decode replies ourselves, because a client that creates an object for each reply takes ten times
as long. redis-py opens the connections: addresses, TLS, Unix sockets.
"""

from dataclasses import replace

from scorer.store.protocol import Store


def connect(url: str, timeout_ms: int, read_from: str = "master") -> Store:
    """Return the store at a URL; the first call that needs it connects.

    Args:
        url:        the value of `features.url`.
        timeout_ms: how long a call may take, including connecting.
        read_from:  the value of `features.read_from`.

    Raises:
        Misconfigured: the URL is wrong.
    """
    # Plans without entities need no Redis, and importing redis-py takes a tenth of the time of a start.
    from scorer.store.redis.server import open_store  # noqa: PLC0415  see above
    from scorer.store.redis.url import parse  # noqa: PLC0415  see above

    return open_store(replace(parse(url), replicas=read_from == "replica"), timeout_ms)
