"""What a layout of features in Redis is: how its values are asked for, read, written and checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scorer.plan.plan import Entity
from scorer.store.protocol import Reply, Request
from scorer.store.redis.resp import Cells

LOADING = "`scorer features load`"


@dataclass(frozen=True, slots=True)
class Stored:
    """The features of one key.

    key:     the key in Redis.
    values:  the text of a number for each field of the entity; empty if a field has no value.
    updated: Unix seconds as text; empty if the entity has no `max_age`.
    """

    key: bytes
    values: tuple[str, ...]
    updated: str = ""


class Dated(NamedTuple):
    """The time of the last change of some features.

    name:   its name beside the features.
    fields: the features.
    """

    name: str
    fields: tuple[str, ...]


class Finding(NamedTuple):
    """The result of one check of one key.

    check: the name of the check, which is the same for all keys.
    fault: what does not fit the plan; empty if the key fits.
    usual: whether some keys may have this fault, as long as not all do.
    """

    check: str
    fault: str
    usual: bool = False


class Server(Protocol):
    """A server that is asked single commands, to check samples of its keys."""

    def number(self, *words: bytes) -> int:
        """Return the integer that is the reply to a command."""

    def texts(self, *words: bytes, count: int | None = None) -> list[bytes | None]:
        """Return the texts that are the reply to a command, so many if that is known."""


class Layout(Protocol):
    """How the features of a key are kept."""

    redis_type: str  # of its keys, as TYPE names it
    number_type: type[np.float32] | type[np.float64]  # in which the numbers are kept
    writer: str  # what writes the features, for messages

    def lookups(self, request: Request, *, singly: bool) -> tuple[bytes, NDArray[np.int64]]:
        """Return the commands that look features up, and the widths of their replies for `Inbox.expect`.

        Args:
            request: the request, with at least one key.
            singly:  use one key in each command, as a cluster requires.
        """

    def is_together(self, request: Request, *, singly: bool) -> bool:
        """Whether one command has more than one key, so that its error cannot be told to be of one of them."""

    def most_bytes(self, entity: Entity) -> int:
        """Return how many bytes the values of one key's reply may take."""

    def times(self, entity: Entity) -> tuple[Dated, ...]:
        """Return the times that the `max_age` of an entity is applied to; none if it has no `max_age`."""

    def read(self, entity: Entity, cells: Cells, now: float) -> Reply:
        """Decode the replies to a request. A key whose reply is an error is INVALID.

        Args:
            entity: whose features they are.
            cells:  the values of the replies, in the order of the keys.
            now:    Unix seconds, for `max_age`.
        """

    def findings(self, server: Server, key: bytes, shown_key: str, entity: Entity) -> Iterator[Finding]:
        """Check a key of the right type against the plan."""


@runtime_checkable
class Writable(Layout, Protocol):
    """A layout that `scorer features load` can write."""

    def writes(self, entity: Entity, stored: Stored) -> list[bytes]:
        """Return the commands that write the features of one key; a field without a value is removed."""
