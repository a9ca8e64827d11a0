"""The feature store: its protocol, a cache of its replies, and Redis.

Modules that import redis are left out, so that importing the store stays cheap without them.
"""

from scorer.store.cache import Cache
from scorer.store.lookups import Lookups
from scorer.store.memory import MemoryStore, NoStore, stored
from scorer.store.protocol import Fetch, Reply, Request, Store
from scorer.store.redis.connect import connect

__all__ = [
    "Cache",
    "Fetch",
    "Lookups",
    "MemoryStore",
    "NoStore",
    "Reply",
    "Request",
    "Store",
    "connect",
    "stored",
]
