"""The protocol of a feature store: requests and replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Codes, Flags2, Floats2
from scorer.batch import Found
from scorer.errors import Unavailable
from scorer.made_often import made_often
from scorer.plan.plan import Entity

PREFETCH_SECONDS = 1.0  # how old a look-up that was sent ahead may be when its batch is scored


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """The features of one entity for the distinct keys of a batch."""

    entity: Entity
    keys: Sequence[bytes]


class Answers(NamedTuple):
    """The arrays of a reply, as kernels read and fill them."""

    values: Floats2  # [keys, fields], NaN where absent
    absent: Flags2  # [keys, fields]: missing or not a number
    results: Codes  # [keys]: a Lookup

    @classmethod
    def empty(cls, keys: int, fields: int) -> Self:
        """Return arrays to be filled."""
        return cls(np.empty((keys, fields)), np.empty((keys, fields), np.bool_), np.empty(keys, np.uint8))


@made_often
@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """The store's reply to a request. If a look-up is not a HIT, all its fields are absent."""

    values: NDArray[np.float64]  # [keys, fields], NaN where absent
    absent: NDArray[np.bool_]  # [keys, fields]: missing or not a number
    results: NDArray[np.uint8]  # [keys]: a Lookup
    changed: NDArray[np.float64] | None = None  # [keys]: Unix seconds, or NaN; None without a `max_age`
    reused: int | None = None  # how many keys the cache answered; None without a cache

    @property
    def answers(self) -> Answers:
        """Its arrays."""
        return Answers(self.values, self.absent, self.results)


class Fetch(Protocol):
    """The function with which scoring looks features up."""

    def __call__(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """See `Store.fetch`."""


@runtime_checkable
class PointInTime(Fetch, Protocol):
    """A fetch that can also answer with the features that each event would have found at its own time."""

    def found(
        self, requests: Sequence[Request], slots: Sequence[NDArray[np.int32]], times: NDArray[np.int64], now: float
    ) -> tuple[Found, ...]:
        """Look up the features of each row of a batch.

        Args:
            requests: at most one for each entity; no key twice.
            slots:    [requests][rows], the index of each row's key, or NO_SLOT.
            times:    [rows], the time of each event, milliseconds since the epoch, or NO_TIME.
            now:      Unix seconds, for what is kept without its past.

        Raises:
            Unavailable: as `Store.fetch`.
        """

    def place(self, entity: str) -> str:
        """Return where the features of an entity are, for messages."""


class Denied(Unavailable):
    """The user of the store may not read a key.

    entity: the entity of the key.
    key:    the key; None if it is one of several and the server does not say which.
    """

    def __init__(self, text: str, entity: str, key: bytes | None, shown: str = "") -> None:
        super().__init__(text, shown)
        self.entity, self.key = entity, key


class Store(Protocol):
    """A source of features, for use by one thread."""

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Look up the features of some entities in one round trip.

        If a connection that had worked before turns out to be closed (servers and proxies close idle ones), it is
        reopened once, immediately. Nothing else is retried.

        Args:
            requests: at most one for each entity; no key twice.
            now:      Unix seconds, for `max_age`.

        Returns:
            A reply for each request.

        Raises:
            Unavailable: within about `timeout_ms`, with what happened and what to do.
        """

    def prefetch(self, requests: Sequence[Request]) -> int | None:
        """Send the look-up of some requests, if that needs no waiting; a `fetch` of the same list receives the replies.

        It changes no result: any other call drops the replies, and so does a `fetch` that comes later than
        PREFETCH_SECONDS. It raises nothing: `fetch` asks again, and raises what fails.

        Returns:
            The descriptor of the socket on which the replies arrive, for a caller that has other things to do until
            then; None if nothing was sent, or if they arrive on several.
        """

    def arrived(self) -> bool | None:
        """Whether all replies to the look-up that was sent ahead have arrived; None if the connection broke.

        It reads without blocking, and raises nothing.
        """

    def ping(self) -> None:
        """Make sure that the servers answer.

        Raises:
            Unavailable: with the reason.
        """

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
