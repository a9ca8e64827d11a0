"""Sentinels: who is the master now."""

from dataclasses import replace

import numpy as np

from scorer.errors import Unavailable
from scorer.features.resp import ABSENT, ERROR, Cells, command
from scorer.features.store_dial import dial, refusal
from scorer.features.store_link import Deadline, exchange
from scorer.features.store_url import Address, Target


def find_master(target: Target, deadline: Deadline) -> Address:
    """Return the address of the master, from the first sentinel that knows it.

    Raises:
        Unavailable: with what each sentinel said.
    """
    reasons = []
    for place, seed in enumerate(target.seeds):
        share = deadline.share(len(target.seeds) - place)
        try:
            return _ask(target, seed, share)
        except Unavailable as error:
            reasons.append(str(error))
    raise Unavailable(f"no sentinel names the master of '{target.service}': " + "; ".join(reasons))


def _ask(target: Target, seed: Address, deadline: Deadline) -> Address:
    link = dial(replace(target, options=target.sentinels), seed, deadline)
    try:
        link.ask(command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", target.service.encode()), np.array([2]))
        exchange([link], deadline)
        return _address(link.cells, f"the sentinel ({link.name})")
    finally:
        link.close()


def _address(cells: Cells, name: str) -> Address:
    kind = cells.kinds[0]
    if kind == ERROR:
        raise Unavailable(refusal(name, cells.text(0)))
    if kind == ABSENT:
        raise Unavailable(f"{name} does not know that service: correct features.url")
    return cells.text(0), int(cells.text(1))
