"""Sends write commands to the servers of their keys."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from redis.crc import key_slot

from scorer.errors import Unavailable
from scorer.store.redis.cluster import ASKING, REDIRECTIONS, redirection
from scorer.store.redis.dial import Links
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refusal
from scorer.store.redis.resp import BARE, equal_widths
from scorer.store.redis.sentinel import single_address
from scorer.store.redis.slots import Owners, owners
from scorer.store.redis.url import Address, Target

SECONDS = 10.0  # timeout of a reply: writing many keys takes longer than `timeout_ms`, which is for look-ups
ROUNDS = 10  # most redirections that a write follows
PAUSE_SECONDS = 0.2  # between two rounds, since moving a slot takes a while


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Commands for one key.

    node:   the node that serves the key; None if it is not known yet, or is the only server at a Unix socket.
    asking: whether ASKING must precede each command, after an ASK redirection.
    """

    key: bytes
    commands: Sequence[bytes]
    node: Address | None = None
    asking: bool = False

    @property
    def request(self) -> bytes:
        """The bytes to send."""
        return b"".join(ASKING * self.asking + command for command in self.commands)

    @property
    def replies(self) -> int:
        """How many replies the commands get."""
        return len(self.commands) * (1 + self.asking)


class Writer:
    """Writes to a server, or to the masters of a cluster."""

    def __init__(self, target: Target) -> None:
        self._target, self._links = target, Links(target, _begin)
        self._owners: Owners = []
        self._address: Address | None = None

    def write(self, writes: Sequence[Write]) -> None:
        """Write everything, in one round trip unless slots are moving; writing twice does no harm.

        Raises:
            Unavailable: a server does not answer, or refuses a command.
        """
        self._links.call(lambda deadline: self._write(writes, deadline))

    def close(self) -> None:
        """Close the connections."""
        self._links.close()

    def _write(self, writes: Sequence[Write], deadline: Deadline) -> None:
        left = [write for write in self._addressed(writes, deadline) if write.commands]
        for _ in range(ROUNDS):
            left = self._round(left, deadline)
            if not left:
                return
            self._owners = []
            time.sleep(PAUSE_SECONDS)
        raise Unavailable("the cluster keeps redirecting writes: slots are moving")

    def _addressed(self, writes: Sequence[Write], deadline: Deadline) -> list[Write]:
        if self._target.form != "cluster":
            return [Write(write.key, write.commands, self._only(deadline)) for write in writes]
        self._owners = self._owners or owners(self._target, deadline, [])
        nodes = [self._owners[key_slot(write.key)] for write in writes]
        if None in nodes:
            slot = key_slot(writes[nodes.index(None)].key)
            raise Unavailable(f"no node of the cluster serves slot {slot}: see CLUSTER INFO")
        return [Write(write.key, write.commands, node) for write, node in zip(writes, nodes, strict=True)]

    def _only(self, deadline: Deadline) -> Address | None:
        if not self._links:
            self._address = single_address(self._target, deadline)
        return self._address

    def _round(self, writes: Sequence[Write], deadline: Deadline) -> list[Write]:
        """Write once; return the writes to repeat at other nodes."""
        of_node = defaultdict(list)
        for write in writes:
            of_node[write.node].append(write)
        links = {node: self._links.to(node, deadline) for node in of_node}
        for node, link in links.items():
            request = [write.request for write in of_node[node]]
            link.ask(request, equal_widths(sum(write.replies for write in of_node[node]), BARE))
        exchange(list(links.values()), deadline)
        cluster = self._target.form == "cluster"
        return [again for node, link in links.items() for again in _redirected(link, of_node[node], cluster=cluster)]


def _begin() -> Deadline:
    return Deadline(SECONDS, f"{SECONDS:g} s")


def _redirected(link: Link, writes: Sequence[Write], *, cluster: bool) -> list[Write]:
    """Return the writes that were redirected to another node."""
    errors, again, end = dict(link.cells.errors()), [], 0
    for write in writes:
        start, end = end, end + write.replies
        text = next((errors[cell] for cell in range(start, end) if cell in errors), "")
        if cluster and write.node and text.startswith(REDIRECTIONS):
            node = redirection(link, write.node, text)
            again.append(Write(write.key, write.commands, node, text.startswith("ASK ")))
        elif text:
            raise Unavailable(refusal(link, text, write.key))
    return again
