"""Sentinels, which know the current master."""

from dataclasses import replace

import numpy as np

from scorer.errors import Unavailable
from scorer.redaction import foreign
from scorer.store.redis.dial import dial
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refusal
from scorer.store.redis.resp import ABSENT, ERROR, command
from scorer.store.redis.url import Address, Target, announced


def single_address(target: Target, deadline: Deadline) -> Address | None:
    """Return the address of the server of a target that is not a cluster; None for a Unix socket.

    Raises:
        Unavailable: no sentinel knows the master.
    """
    if target.form == "sentinel":
        return find_master(target, deadline)
    return target.seeds[0] if target.seeds else None


def find_master(target: Target, deadline: Deadline) -> Address:
    """Return the address of the master, from the first sentinel that knows it.

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
        return _address(link)
    finally:
        link.close()


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
