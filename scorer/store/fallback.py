"""Going on while the store cannot answer."""

from collections.abc import Callable, Sequence

import numpy as np
import structlog

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.store.protocol import Reply, Request, Store

COOL_DOWN_SECONDS = 1.0  # so that a server that swallows questions costs a second's batches one timeout, not each

_log = structlog.get_logger()


class FallbackStore:
    """Asks a store, and answers UNAVAILABLE for it where it cannot.

    Args:
        store: which is left alone for a while after it failed.
        monotonic: seconds.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store, self._monotonic = store, monotonic
        self._failed: float | None = None

    def fetch(self, requests: Sequence[Request], now: float) -> list[Reply]:
        """As `Store.fetch`, but raises nothing."""
        if self._failed is not None and self._monotonic() - self._failed < COOL_DOWN_SECONDS:
            return unavailable_replies(requests)
        try:
            replies = self._store.fetch(requests, now)
        except Unavailable as error:
            if self._failed is None:
                _log.warning("going on without features", reason=str(error))
            self._failed = self._monotonic()
            return unavailable_replies(requests)
        if self._failed is not None:
            _log.info("features are there again")
            self._failed = None
        return replies


def unavailable_replies(requests: Sequence[Request]) -> list[Reply]:
    """The answer of a store that cannot answer."""
    return [
        Reply(np.full(shape, np.nan), np.ones(shape, np.bool_), np.full(shape[0], Lookup.UNAVAILABLE, np.uint8))
        for shape in ((len(request.keys), len(request.entity.fields)) for request in requests)
    ]
