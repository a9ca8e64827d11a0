"""The feature store: what is asked, what it answers, and what is kept of the answers.

What imports redis is left out here: importing the store stays cheap for those who need no Redis.
"""

from scorer.store.cache import Cache
from scorer.store.lookups import Lookups
from scorer.store.protocol import Fetch, Reply, Request, Store
from scorer.store.redis.connect import connect

__all__ = [
    "Cache",
    "Fetch",
    "Lookups",
    "Reply",
    "Request",
    "Store",
    "connect",
]
