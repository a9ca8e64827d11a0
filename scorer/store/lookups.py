"""The store as scoring uses it: behind a cache, with a fallback by policy, and pinged while idle."""

import math
import time
from collections.abc import Callable, Sequence

from scorer.errors import Unavailable
from scorer.store.cache import Cache
from scorer.store.fallback import FallbackStore
from scorer.store.protocol import Reply, Request, Store

PING_SECONDS = 5.0  # between two pings of a store while no batch needs it


class Lookups:
    """Looks features up for the batches of one loop.

    Args:
        store: where features are read from.
        when_unavailable: `wait`, `impute` or `dead-letter`; under `wait`, a look-up raises while the store is
            unavailable.
        cache: caches replies; None if every batch asks for all its keys.
        monotonic: a clock in seconds, for the retries of a store that failed and the pings of an idle one.
    """

    def __init__(
        self,
        store: Store,
        when_unavailable: str,
        cache: Cache | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._cache, self._monotonic = store, cache, monotonic
        self._fallback = None if when_unavailable == "wait" else FallbackStore(store, monotonic)
        self._asked = -math.inf

    @property
    def fallback_reason(self) -> str:
        """Why batches are scored without features; empty while the store answers, and always under `wait`."""
        return self._fallback.reason if self._fallback else ""

    @property
    def fallback_shown(self) -> str:
        """The same for /ready, if it must leave out a part of that."""
        return self._fallback.shown if self._fallback else ""

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """Return a reply for each request, as `Store.fetch` does; without a round trip if all keys are cached.

        Raises:
            Unavailable: the store cannot answer, and the policy is to wait.
        """
        return self._cache.fetch(requests, now, self._ask) if self._cache else self._ask(requests, now)

    def prefetch(self, requests: Sequence[Request]) -> int | None:
        """Send the look-up of some requests ahead of their `fetch`, unless a cache may have their replies.

        See `Store.prefetch`. While the store fails nothing is sent: its retries have a pace of their own.
        """
        if self._cache is not None or self.fallback_reason:
            return None
        self._asked = self._monotonic()
        return self._store.prefetch(requests)

    def arrived(self) -> bool | None:
        """Whether all replies to the look-up that was sent ahead have arrived; see `Store.arrived`."""
        return self._store.arrived()

    def ping_if_idle(self) -> str | None:
        """Ping the store, unless it was asked within PING_SECONDS.

        Returns:
            The reason why it does not answer, empty if it does; None if it was not pinged.
        """
        if self._monotonic() - self._asked < PING_SECONDS:
            return None
        self._asked = self._monotonic()
        try:
            (self._fallback or self._store).ping()
        except Unavailable as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _ask(self, requests: Sequence[Request], now: float) -> list[Reply]:
        self._asked = self._monotonic()
        return (self._fallback or self._store).fetch(requests, now)
