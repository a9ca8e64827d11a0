"""A Redis cluster: each key is looked up at the node that serves its slot, at all nodes in parallel."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray
from redis.crc import key_slot

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.store.protocol import Reply, Request
from scorer.store.redis.dial import PING, PING_MAY_FAIL, Links
from scorer.store.redis.layouts import commands_of, most_bytes, read
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refusal, refuse, refuse_keys
from scorer.store.redis.resp import BARE, Cells, cell_count, command
from scorer.store.redis.slots import owners
from scorer.store.redis.url import Address, Target, announced

ASKING = command(b"ASKING")
REDIRECTIONS = ("MOVED ", "ASK ")
ROUNDS = 2  # rounds of commands in one call: the second goes to the nodes that the first was redirected to


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The part of one request that goes to one node.

    node:    the node's address.
    number:  the index of the request among those of the call.
    rows:    [keys] the indexes of the part's keys in that request.
    request: a request for these keys.
    asking:  whether ASKING must precede each command, after an ASK redirection.
    """

    node: Address
    number: int
    rows: NDArray[np.int64]
    request: Request
    asking: bool = False

    def commands(self) -> tuple[bytes, NDArray[np.int64]]:
        """Return the commands and the widths of their replies."""
        commands, widths = commands_of(self.request, singly=True)
        return (ASKING + commands, np.concatenate([[BARE], widths])) if self.asking else (commands, widths)

    def redirected(self, link: Link, cells: Cells) -> "list[Part]":
        """Return a part for each key that the errors among this part's cells redirect to another node.

        Raises:
            Unavailable: the address in a redirection cannot be parsed.
        """
        parts = {}
        for cell, text in cells.errors():
            if text.startswith(REDIRECTIONS):
                row = cell * len(self.rows) // cells.marks.shape[1]
                request = Request(self.request.entity, self.request.keys[row : row + 1])
                node = redirection(link, self.node, text)
                parts[row] = Part(node, self.number, self.rows[row : row + 1], request, text.startswith("ASK "))
        return list(parts.values())


class Cluster:
    """The store at the masters of a cluster, which are found by CLUSTER SLOTS."""

    def __init__(self, target: Target, timeout_ms: int) -> None:
        self._target, self._links = target, Links(target, partial(Deadline.after, timeout_ms))
        self._owners: list[Address | None] = []  # the master of each slot; empty if the cluster must be asked

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """See `Store.fetch`. A key that moved to another node is looked up there, once."""
        sent = cast("Asked | None", self._links.sent_ahead(requests))
        if not any(request.keys for request in requests):
            return [_blank(request) for request in requests]

        def ask(deadline: Deadline) -> list[Reply]:
            nonlocal sent
            asked, sent = sent, None  # an attempt with new connections sends the look-up again
            if asked is None:
                self._learn(deadline)
                asked = _ask(self._divided(requests), partial(self._links.to, deadline=deadline))
            return self._received(requests, asked, now, deadline)

        return self._links.call(ask)

    def prefetch(self, requests: Sequence[Request]) -> None:
        """See `Store.prefetch`."""
        if self._owners:
            self._links.send_ahead(requests, lambda: self._send(requests))

    def arrived(self) -> bool | None:
        """See `Store.arrived`."""
        return self._links.arrived()

    def ping(self) -> None:
        """See `Store.ping`; every master is pinged."""
        self._links.call(self._ping)

    def close(self) -> None:
        """See `Store.close`."""
        self._links.close()

    def _ping(self, deadline: Deadline) -> None:
        self._learn(deadline)
        links = [self._links.to(node, deadline) for node in dict.fromkeys(self._owners) if node is not None]
        for link in links:
            link.ask([PING], np.array([BARE]))
        exchange(links, deadline)
        for link in links:
            refuse(link, link.cells.errors(), PING_MAY_FAIL)

    def _send(self, requests: Sequence[Request]) -> "Asked":
        asked = _ask(self._divided(requests), self._links.already)
        for link, _ in asked:
            link.send()
        return asked

    def _received(self, requests: Sequence[Request], asked: "Asked", now: float, deadline: Deadline) -> list[Reply]:
        """Return the replies to what was asked, after asking other nodes for what moved to them."""
        replies, moved = [_blank(request) for request in requests], list[Part]()
        for _ in range(ROUNDS):
            if moved:
                asked, moved = _ask(moved, partial(self._links.to, deadline=deadline)), []
            for part, cells, link in _answers(asked, deadline):
                refuse_keys(link, part.request, cells, *REDIRECTIONS, singly=True)
                moved += part.redirected(link, cells)
                _put(replies[part.number], part.rows, read(part.request, cells, now))
            if not moved:
                return replies
            if not all(part.asking for part in moved):
                self._owners = []
        raise Unavailable(f"the cluster keeps redirecting look-ups, now to {moved[0].node}: slots are moving")

    def _divided(self, requests: Sequence[Request]) -> list[Part]:
        return [part for number, request in enumerate(requests) for part in self._parts(number, request)]

    def _parts(self, number: int, request: Request) -> Iterator[Part]:
        """Divide a request among the nodes that serve its keys."""
        rows = defaultdict(list)
        for row, key in enumerate(request.keys):
            rows[self._owners[key_slot(key)]].append(row)
        for node, of_node in rows.items():
            if node is None:
                slot = key_slot(request.keys[of_node[0]])
                raise Unavailable(f"no node of the cluster serves slot {slot}: see CLUSTER INFO")
            yield Part(node, number, np.array(of_node), Request(request.entity, [request.keys[row] for row in of_node]))

    def _learn(self, deadline: Deadline) -> None:
        """Ask which node serves which slot, if that is unknown or the connections were closed since."""
        if self._owners and self._links:
            return
        self._owners = owners(self._target, deadline, self._owners)


Asked = list[tuple[Link, list[tuple[Part, NDArray[np.int64]]]]]  # parts by connection, with the widths of their replies


def _ask(parts: Sequence[Part], to: Callable[[Address], Link]) -> Asked:
    """Queue the commands of each part at its node."""
    of_node: dict[Address, list[tuple[Part, bytes, NDArray[np.int64]]]] = defaultdict(list)
    for part in parts:
        of_node[part.node].append((part, *part.commands()))
    links = {node: to(node) for node in of_node}
    for node, link in links.items():
        request = [commands for _, commands, _ in of_node[node]]
        most = sum(most_bytes(part.request) for part, _, _ in of_node[node])
        link.ask(request, np.concatenate([widths for _, _, widths in of_node[node]]), most, proof=True)
    return [(link, [(part, widths) for part, _, widths in of_node[node]]) for node, link in links.items()]


def _answers(asked: Asked, deadline: Deadline) -> Iterator[tuple[Part, Cells, Link]]:
    """Wait for all replies; yield each part with its cells and the connection that they came from."""
    exchange([link for link, _ in asked], deadline)
    for link, parts in asked:
        end = 0
        for part, widths in parts:
            start, end = end, end + cell_count(widths)
            yield part, link.cells[start + part.asking : end], link


def redirection(link: Link, asked: Address, text: str) -> Address:
    """Return the node in a redirection; if it has no host, the host is that of the node that was asked."""
    host, _, port = text.rsplit(" ", maxsplit=1)[-1].rpartition(":")
    node = announced(host or asked[0], port)
    if node is None or len(text.split(" ")) != 3:  # noqa: PLR2004  the kind, the slot, the node
        raise Unavailable(f"{refusal(link, text)}; its address cannot be parsed")
    return node


def _blank(request: Request) -> Reply:
    shape = len(request.keys), len(request.entity.fields)
    lookup = np.full(len(request.keys), Lookup.MISSING, np.uint8)
    changed = None if request.entity.max_age is None else np.full(len(request.keys), np.nan)
    return Reply(np.full(shape, np.nan), np.ones(shape, np.bool_), lookup, changed)


def _put(reply: Reply, rows: NDArray[np.int64], part: Reply) -> None:
    reply.values[rows], reply.absent[rows], reply.results[rows] = part.values, part.absent, part.results
    if reply.changed is not None and part.changed is not None:
        reply.changed[rows] = part.changed
