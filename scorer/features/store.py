"""Where features are read from: one round trip to Redis for all keys of a batch.

The bytes of the commands are built and those of the replies read by code of ours, because a client that makes an
object of each reply costs ten times as much. redis-py does the connecting: addresses, TLS, passwords, sentinels.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.features.layouts import Reply, Request, questions, read
from scorer.features.resp import BARE, Cells, Inbox, cell_count
from scorer.features.store_cluster import Cluster
from scorer.features.store_dial import KEY_MAY_FAIL, PING, PING_MAY_FAIL, Links, refuse
from scorer.features.store_link import Deadline, exchange
from scorer.features.store_sample import sample_problems
from scorer.features.store_sentinel import find_master
from scorer.features.store_url import Target, parse

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
    target = parse(url)
    return Cluster(target, timeout_ms) if target.form == "cluster" else Server(target, timeout_ms)


class Server:
    """A single Redis server, or the master that sentinels name at each (re)connect."""

    def __init__(self, target: Target, timeout_ms: int) -> None:
        self._target, self._links = target, Links(target, timeout_ms)
        self._address = target.seeds[0] if target.seeds else None

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """See `Store.fetch`."""
        asked = [questions(request, singly=False) for request in requests]
        question = b"".join([question for question, _ in asked])
        cells = self._answers(question, [widths for _, widths in asked], KEY_MAY_FAIL)
        ends = list(accumulate(cell_count(widths) for _, widths in asked))
        parts = zip(requests, [0, *ends], ends, strict=False)
        return [read(request, cells[start:end], now) for request, start, end in parts]

    def ping(self) -> None:
        """See `Store.ping`."""
        self._answers(PING, [np.array([BARE])], PING_MAY_FAIL)

    def close(self) -> None:
        """See `Store.close`."""
        self._links.close()

    def _answers(self, question: bytes, widths: Sequence[NDArray[np.int64]], harmless: str) -> Cells:
        def ask(deadline: Deadline) -> Cells:
            if self._target.form == "sentinel" and not self._links:
                self._address = find_master(self._target, deadline)
            link = self._links.to(self._address, deadline)
            link.ask(question, np.concatenate(widths))
            exchange([link], deadline)
            refuse(link.cells.errors(), link.name, harmless)
            return link.cells

        return self._links.call(ask) if question else Inbox().cells
