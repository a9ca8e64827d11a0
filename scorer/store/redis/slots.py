"""The nodes that serve a cluster's slots, from CLUSTER SLOTS."""

import random
from collections.abc import Iterator, Sequence

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from scorer.errors import Unavailable
from scorer.store.redis.dial import dial
from scorer.store.redis.link import Deadline, exchange
from scorer.store.redis.refusal import refusal
from scorer.store.redis.resp import command
from scorer.store.redis.resp_tree import Refusal, Tree
from scorer.store.redis.url import Address, Target, announced

Owners = list[Address | None]  # the node to read each slot from; None if no node serves it


def owners(target: Target, deadline: Deadline, known: Owners) -> Owners:
    """Return the node to read each slot from, as the first node that answers says.

    Args:
        target:   the cluster; it says whether replicas are read, of which one is chosen at random for each range.
        deadline: the deadline for all nodes together.
        known:    the nodes known before: they are asked after the nodes of the URL.

    Raises:
        Unavailable: no node answers; with the reason of each.
    """
    seeds = list(dict.fromkeys([*target.seeds, *(node for node in known if node is not None)]))
    reasons = []
    for place, seed in enumerate(seeds):
        try:
            return _ask(target, seed, deadline.share(len(seeds) - place))
        except Unavailable as error:
            reasons.append(str(error))
    raise Unavailable("no node of the cluster answers CLUSTER SLOTS: " + "; ".join(reasons))


def _ask(target: Target, seed: Address, deadline: Deadline) -> Owners:
    link = dial(target, seed, deadline)
    try:
        link.ask_anything(command(b"CLUSTER", b"SLOTS"))
        exchange([link], deadline)
    finally:
        link.close()
    if isinstance(link.reply, Refusal):
        raise Unavailable(refusal(link, link.reply.text))
    found: Owners = [None] * REDIS_CLUSTER_HASH_SLOTS
    try:
        for first, last, (master, *replicas) in _ranges(link.reply, seed):
            node = random.choice(replicas) if target.replicas and replicas else master  # noqa: S311  no secret
            found[first : last + 1] = [node] * (last + 1 - first)
    except ValueError:
        raise Unavailable(f"{link.name} does not answer CLUSTER SLOTS as a node of a cluster does") from None
    return found


def _ranges(reply: Tree, seed: Address) -> Iterator[tuple[int, int, list[Address]]]:
    """Yield the first and the last slot of each range, and its master followed by the replicas of that.

    Raises:
        ValueError: the reply is not one to CLUSTER SLOTS.
    """
    for entry in _items(reply, 0):
        first, last, *nodes = _items(entry, 3)
        if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
            raise ValueError(entry)
        yield first, last, [_address(node, seed) for node in nodes]


def _address(node: Tree, seed: Address) -> Address:
    host, port, *_ = _items(node, 2)
    if not isinstance(host, bytes | None) or not isinstance(port, int):
        raise ValueError(node)  # noqa: TRY004  one kind for all that is malformed
    # A node that does not know its own address is at the address that we asked.
    address = announced(host.decode(errors="replace") if host else seed[0], port)
    if address is None:
        raise ValueError(node)
    return address


def _items(reply: Tree, least: int) -> Sequence[Tree]:
    if not isinstance(reply, list) or len(reply) < least:
        raise ValueError(reply)
    return reply
