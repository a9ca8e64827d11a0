"""A single server: all keys of a batch are looked up in one round trip."""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import numpy as np

from scorer.store.protocol import Denied, Reply, Request
from scorer.store.redis.cluster import Cluster
from scorer.store.redis.dial import PING, PING_MAY_FAIL, Links
from scorer.store.redis.layouts import commands_of, most_bytes, read
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refuse, refuse_keys
from scorer.store.redis.resp import BARE, Cells, Inbox, cell_count
from scorer.store.redis.sentinel import single_address
from scorer.store.redis.url import Target


def open_store(target: Target, timeout_ms: int) -> "Server | Cluster":
    """Return the store at a target; it connects at the first call."""
    return Cluster(target, timeout_ms) if target.form == "cluster" else Server(target, timeout_ms)


class Server:
    """A single Redis server, or the master that sentinels name at each (re)connect."""

    def __init__(self, target: Target, timeout_ms: int) -> None:
        self._target, self._links = target, Links(target, partial(Deadline.after, timeout_ms))
        self._address = target.seeds[0] if target.seeds else None

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """See `Store.fetch`."""
        try:
            parts = self._asked(requests)
        except Denied as denied:
            if denied.key is None:  # one MGET had several keys: looking each up alone finds the denied one
                of_entity = [request for request in requests if request.entity.name == denied.entity]
                self._asked([Request(each.entity, [key]) for each in of_entity for key in each.keys])
            raise
        return [read(request, cells, now) for request, cells in parts]

    def ping(self) -> None:
        """See `Store.ping`."""

        def ask(deadline: Deadline) -> None:
            link = self._link(deadline)
            link.ask([PING], np.array([BARE]))
            exchange([link], deadline)
            refuse(link, link.cells.errors(), PING_MAY_FAIL)

        self._links.call(ask)

    def close(self) -> None:
        """See `Store.close`."""
        self._links.close()

    def _link(self, deadline: Deadline) -> Link:
        if not self._links:
            self._address = single_address(self._target, deadline)
        return self._links.to(self._address, deadline)

    def _asked(self, requests: Sequence[Request]) -> list[tuple[Request, Cells]]:
        """Send the requests in one round trip; return each with its cells."""
        asked = [commands_of(request, singly=False) for request in requests]
        commands = [of_entity for of_entity, _ in asked]
        if not any(commands):
            return [(request, Inbox().cells) for request in requests]
        ends = list(accumulate(cell_count(widths) for _, widths in asked))
        spans = list(zip(requests, [0, *ends], ends, strict=False))

        def ask(deadline: Deadline) -> Cells:
            link = self._link(deadline)
            widths, most = np.concatenate([widths for _, widths in asked]), sum(map(most_bytes, requests))
            link.ask(commands, widths, most, proof=True)
            exchange([link], deadline)
            cells = link.cells
            for request, start, end in spans if cells.failed else ():
                refuse_keys(link, request, cells[start:end], singly=False)
            return cells

        cells = self._links.call(ask)
        return [(request, cells[start:end]) for request, start, end in spans]
