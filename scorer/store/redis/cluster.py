"""A Redis cluster: each key is looked up at the node that serves its slot, at all nodes in parallel."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
        replies = [_blank(request) for request in requests]
        if any(request.keys for request in requests):
            self._links.call(lambda deadline: self._fill(replies, requests, now, deadline))
        return replies

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

    def _fill(self, replies: Sequence[Reply], requests: Sequence[Request], now: float, deadline: Deadline) -> None:
        self._learn(deadline)
        parts = [part for number, request in enumerate(requests) for part in self._parts(number, request)]
        for _ in range(ROUNDS):
            moved: list[Part] = []
            for part, cells, link in self._answers(parts, deadline):
                refuse_keys(link, part.request, cells, *REDIRECTIONS, singly=True)
                moved += part.redirected(link, cells)
                _put(replies[part.number], part.rows, read(part.request, cells, now))
            if not moved:
                return
            if not all(part.asking for part in moved):
                self._owners = []
            parts = moved
        raise Unavailable(f"the cluster keeps redirecting look-ups, now to {parts[0].node}: slots are moving")

    def _answers(self, parts: Sequence[Part], deadline: Deadline) -> Iterator[tuple[Part, Cells, Link]]:
        """Ask the nodes; yield each part with its cells and the connection that they came from."""
        asked: dict[Address, list[tuple[Part, bytes, NDArray[np.int64]]]] = defaultdict(list)
        for part in parts:
            asked[part.node].append((part, *part.commands()))
        links = {node: self._links.to(node, deadline) for node in asked}
        for node, link in links.items():
            request = [commands for _, commands, _ in asked[node]]
            most = sum(most_bytes(part.request) for part, _, _ in asked[node])
            link.ask(request, np.concatenate([widths for _, _, widths in asked[node]]), most, proof=True)
        exchange(list(links.values()), deadline)
        for node, link in links.items():
            end = 0
            for part, _, widths in asked[node]:
                start, end = end, end + cell_count(widths)
                yield part, link.cells[start + part.asking : end], link

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
