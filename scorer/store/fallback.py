"""The fallback while the store is unavailable."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.store.protocol import Reply, Request, Store

COOL_DOWN_SECONDS = 1.0  # a server that never answers then costs one timeout a second, instead of one a batch


class FallbackStore:
    """Asks a store, and replies UNAVAILABLE while it fails.

    `reason` says why the store failed, and `shown` says the same for /ready; both are empty while the store answers.

    Args:
        store: the store to ask; after a failure it is not asked again for COOL_DOWN_SECONDS.
        monotonic: a clock in seconds.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store, self._monotonic = store, monotonic
        self._failed_at = -math.inf
        self.reason = self.shown = ""

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """As `Store.fetch`, but raises nothing."""
        if self._monotonic() - self._failed_at < COOL_DOWN_SECONDS:
            return unavailable_replies(requests)
        try:
            with self._noted():
                return self._store.fetch(requests, now)
        except Unavailable:
            return unavailable_replies(requests)

    def ping(self) -> None:
        """As `Store.ping`."""
        with self._noted():
            self._store.ping()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep the reason of a failure, until the store answers again."""
        try:
            yield
        except Unavailable as error:
            self._failed_at, self.reason, self.shown = self._monotonic(), str(error), error.shown
            raise
        self._failed_at, self.reason, self.shown = -math.inf, "", ""


def unavailable_replies(requests: Sequence[Request]) -> list[Reply]:
    """Return the replies that stand for a store that did not answer."""
    return [
        Reply(np.full(shape, np.nan), np.ones(shape, np.bool_), np.full(shape[0], Lookup.UNAVAILABLE, np.uint8))
        for shape in ((len(request.keys), len(request.entity.fields)) for request in requests)
    ]
