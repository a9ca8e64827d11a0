"""Where features are read from: one round trip to Redis for all keys of a batch.

The bytes of the commands are built and those of the replies read by code of ours, because a client that makes an
object of each reply costs ten times as much. redis-py does the connecting: addresses, TLS, passwords, sentinels.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.errors import Unavailable
from scorer.features.layouts import Reply, Request, questions, read
from scorer.features.resp import BARE, Cells, Inbox, cell_count, command
from scorer.features.store_link import Closed, Deadline, Link, dial, exchange, refusal
from scorer.features.store_sentinel import find_master
from scorer.features.store_url import Address, Target, parse

__all__ = ["Reply", "Request", "Store", "connect"]

PING = command(b"PING")


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
    return Server(parse(url), timeout_ms)


class Server:
    """A single Redis server, or the master that sentinels name at each (re)connect."""

    def __init__(self, target: Target, timeout_ms: int) -> None:
        self._target, self._timeout_ms = target, timeout_ms
        self._link: Link | None = None

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """See `Store.fetch`."""
        asked = [questions(request, singly=False) for request in requests]
        cells = self._answers(b"".join([question for question, _ in asked]), [widths for _, widths in asked])
        self._check(cells, harmless="WRONGTYPE")
        ends = np.cumsum([cell_count(widths) for _, widths in asked]).tolist()
        parts = zip(requests, [0, *ends], ends, strict=False)
        return [read(request, cells[start:end], now) for request, start, end in parts]

    def ping(self) -> None:
        """See `Store.ping`."""
        self._check(self._answers(PING, [np.array([BARE])]), harmless="NOPERM")

    def close(self) -> None:
        """See `Store.close`."""
        if self._link is not None:
            self._link.close()

    def _answers(self, question: bytes, widths: list[NDArray[np.int64]]) -> Cells:
        if not question:
            return Inbox().cells
        deadline = Deadline.after(self._timeout_ms)
        link = self._connected(deadline)
        may_be_stale = link.used
        try:
            link.ask(question, np.concatenate(widths))
            exchange([link], deadline)
        except Closed:
            if not may_be_stale:
                raise
            link = self._connected(deadline)
            link.ask(question, np.concatenate(widths))
            exchange([link], deadline)
        return link.cells

    def _connected(self, deadline: Deadline) -> Link:
        if self._link is None or self._link.closed:
            self._link = dial(self._target, self._address(deadline), deadline)
        return self._link

    def _address(self, deadline: Deadline) -> Address | None:
        if self._target.form == "sentinel":
            return find_master(self._target, deadline)
        return self._target.seeds[0] if self._target.seeds else None

    def _check(self, cells: Cells, harmless: str) -> None:
        """Refuse an answer with an error in it, and its connection: it may lead to the wrong server."""
        for _, text in cells.errors():
            if self._link is not None and not text.startswith(harmless):
                self._link.close()
                raise Unavailable(self._target.masked(refusal(self._link.name, text)))
