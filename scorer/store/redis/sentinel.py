"""Sentinels, which know the current master and its replicas."""

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from scorer.errors import Unavailable
from scorer.security.redaction import foreign
from scorer.store.redis.dial import dial
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refusal
from scorer.store.redis.resp import ABSENT, ERROR, command
from scorer.store.redis.resp_tree import Refusal
from scorer.store.redis.url import Address, Target, announced


def single_address(target: Target, deadline: Deadline) -> Address | None:
    """Return the address of the server of a target that is not a cluster; None for a Unix socket.

    Raises:
        Unavailable: no sentinel knows the master.
    """
    if target.form == "sentinel":
        return find_server(target, deadline)
    return target.seeds[0] if target.seeds else None


def find_server(target: Target, deadline: Deadline) -> Address:
    """Return the address of the master, or of a replica in sync if the target reads those.

    The first sentinel that knows the master is taken at its word.

    Raises:
        Unavailable: with the answer of each sentinel.
    """
    reasons = []
    for place, seed in enumerate(target.seeds):
        share = deadline.share(len(target.seeds) - place)
        try:
            return _ask(target, seed, share)
        except Unavailable as error:
            reasons.append(str(error))
    raise Unavailable(f"no sentinel knows the master of '{target.service}': " + "; ".join(reasons))


def _ask(target: Target, seed: Address, deadline: Deadline) -> Address:
    link = dial(replace(target, options=target.sentinels, password_file=target.sentinel_password_file), seed, deadline)
    try:
        link.ask([command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", target.service.encode())], np.array([2]))
        exchange([link], deadline)
        master = _address(link)
        if target.replicas:
            link.ask_anything(command(b"SENTINEL", b"REPLICAS", target.service.encode()))
            exchange([link], deadline)
            if replicas := list(_in_sync(link)):
                return random.choice(replicas)  # noqa: S311  no secret
        return master
    finally:
        link.close()


def _in_sync(link: Link) -> Iterator[Address]:
    """Yield the addresses of the replicas that answer the sentinel, and that have a link to their master."""
    if isinstance(link.reply, Refusal):
        raise Unavailable(f"the sentinel: {refusal(link, link.reply.text)}")
    for replica in link.reply if isinstance(link.reply, list) else ():
        parts = replica if isinstance(replica, list) else []
        texts = [part.decode(errors="replace") for part in parts if isinstance(part, bytes)]
        told = dict(zip(texts[::2], texts[1::2], strict=False))
        address = announced(told.get("ip", ""), told.get("port", ""))
        if address and told.get("flags") == "slave" and told.get("master-link-status") == "ok":
            yield address


def _address(link: Link) -> Address:
    cells, name = link.cells, f"the sentinel ({link.name})"
    kind = cells.kinds[0]
    if kind == ERROR:
        raise Unavailable(f"the sentinel: {refusal(link, cells.text(0))}")
    if (cells.kinds == ABSENT).all():
        raise Unavailable(f"{name} does not know that service: correct features.url")
    address = announced(cells.text(0), cells.text(1))
    if address is None:
        where = foreign(f"{cells.text(0)}:{cells.text(1)}")
        raise Unavailable(f"{name} names '{where}' as the master, which is not a host and port")
    return address
