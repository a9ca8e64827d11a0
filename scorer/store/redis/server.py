"""A single server: all keys of a batch are looked up in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import cast

import numpy as np
from numpy.typing import NDArray

from scorer.made_often import made_often
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

    def prefetch(self, requests: Sequence[Request]) -> int | None:
        """See `Store.prefetch`."""
        self._links.send_ahead(requests, lambda: self._send(_Question.of(requests)))
        return self._links.already(self._address).descriptor if self._links.waiting else None

    def arrived(self) -> bool | None:
        """See `Store.arrived`."""
        return self._links.arrived()

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

    def _send(self, question: "_Question") -> "_Question":
        if any(question.commands):
            link = self._links.already(self._address)
            question.ask(link)
            link.send()
        return question

    def _asked(self, requests: Sequence[Request]) -> list[tuple[Request, Cells]]:
        """Look the requests up in one round trip; return each with its cells."""
        sent = cast("_Question | None", self._links.sent_ahead(requests))
        question = sent or _Question.of(requests)
        if not any(question.commands):
            return [(request, Inbox().cells) for request in requests]

        def ask(deadline: Deadline) -> Cells:
            nonlocal sent
            link = self._link(deadline)
            if sent is None:
                question.ask(link)
            sent = None  # an attempt with new connections sends the look-up again
            exchange([link], deadline)
            cells = link.cells
            for request, start, end in question.spans if cells.failed else ():
                refuse_keys(link, request, cells[start:end], singly=False)
            return cells

        cells = self._links.call(ask)
        return [(request, cells[start:end]) for request, start, end in question.spans]


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """All commands of a look-up.

    commands: their bytes, in pieces; all of them empty if there are no keys.
    widths:   the widths of their replies.
    most:     bytes that the values may take together.
    spans:    each request with the start and end of its cells.
    """

    commands: Sequence[bytes]
    widths: NDArray[np.int64]
    most: int
    spans: Sequence[tuple[Request, int, int]]

    @classmethod
    def of(cls, requests: Sequence[Request]) -> "_Question":
        """Return the question for some requests."""
        asked = [commands_of(request, singly=False) for request in requests]
        ends = list(accumulate(cell_count(widths) for _, widths in asked))
        return cls(
            [commands for commands, _ in asked],
            np.concatenate([widths for _, widths in asked]) if asked else np.empty(0, np.int64),
            sum(map(most_bytes, requests)),
            list(zip(requests, [0, *ends], ends, strict=False)),
        )

    def ask(self, link: Link) -> None:
        """Queue the commands."""
        link.ask(self.commands, self.widths, self.most, proof=True)
