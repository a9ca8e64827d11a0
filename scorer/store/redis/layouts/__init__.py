"""The layouts of features in Redis, one object each, and what the clients ask of them."""

import numpy as np
from numpy.typing import NDArray

from scorer.errors import Misconfigured, Problem
from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.layouts.feast import FeastLayout
from scorer.store.redis.layouts.hash import HashLayout
from scorer.store.redis.layouts.layout import LOADING, Finding, Layout, Stored, Writable
from scorer.store.redis.layouts.packed import PackedLayout
from scorer.store.redis.resp import Cells

LAYOUTS: dict[str, Layout] = {  # by the name in plan.yaml
    "feast": FeastLayout(),
    "hash": HashLayout(),
    "packed": PackedLayout(),
}


def layout_of(entity: Entity) -> Layout:
    """Return how the features of an entity are kept."""
    return LAYOUTS[entity.layout]


def writable(entity: Entity) -> Writable:
    """Return the layout of an entity, to write its features.

    Raises:
        Misconfigured: another system writes features of this layout.
    """
    layout = layout_of(entity)
    if isinstance(layout, Writable):
        return layout
    what = f"its features have layout {entity.layout}, which {LOADING} does not write"
    raise Misconfigured([Problem(f"plan.yaml: entities.{entity.name}", what, f"{layout.writer} does")])


def commands_of(request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:
    """Return the commands that look the features up, and the widths of their replies for `Inbox.expect`.

    Args:
        request: the request.
        singly:  use one key in each command, as a cluster requires.
    """
    if not request.keys:
        return b"", np.empty(0, np.int64)
    return layout_of(request.entity).lookups(request, singly=singly)


def most_bytes(request: Request) -> int:
    """Return how many bytes the values of a request's replies may take, for `Inbox.expect`."""
    return len(request.keys) * layout_of(request.entity).most_bytes(request.entity)


def read(request: Request, cells: Cells, now: float) -> Reply:
    """Decode the replies to a request.

    Args:
        request: the request.
        cells:   the values of the replies, in the order of the keys.
        now:     Unix seconds, for `max_age`.
    """
    return layout_of(request.entity).read(request.entity, cells, now)


__all__ = ["LAYOUTS", "Finding", "Layout", "Stored", "commands_of", "layout_of", "most_bytes", "read", "writable"]
