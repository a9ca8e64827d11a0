"""Where features are read from: one round trip to Redis for all keys of a batch.

The bytes of the commands are built and those of the replies read by code of ours, because a client that makes an
object of each reply costs ten times as much. redis-py does the connecting: addresses, TLS, passwords, sentinels.
"""

from collections.abc import Sequence
from typing import Protocol

from scorer.features.layouts import Reply, Request
from scorer.features.store_sample import sample_problems
from scorer.features.store_server import open_store
from scorer.features.store_url import parse

__all__ = ["Reply", "Request", "Store", "connect", "sample_problems"]


class Store(Protocol):
    """Where features are read from. It belongs to one thread."""

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Look up the features of some entities in one round trip.

        A connection that had answered before and turns out to be closed (servers and proxies close idle ones) is
        replaced once, at once. Nothing else is tried again.

        Args:
            requests: at most one an entity; no key twice.
            now:      Unix seconds, for `max_age`.

        Returns:
            A reply for each request.

        Raises:
            Unavailable: within about `timeout_ms`, with what happened and what to do.
        """

    def ping(self) -> None:
        """Make sure that the servers answer.

        Raises:
            Unavailable: with the reason.
        """

    def close(self) -> None:
        """Close the connections; a later call would open them again."""


def connect(url: str, timeout_ms: int) -> Store:
    """Return the store at a URL; the first call that needs it connects.

    Args:
        url:        as `features.url`.
        timeout_ms: what a call may take, connecting included.

    Raises:
        Misconfigured: the URL is wrong.
    """
    return open_store(parse(url), timeout_ms)
