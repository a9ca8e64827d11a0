"""The feature store: what is asked, what it answers, and what is kept of the answers."""

from scorer.store.cache import Cache
from scorer.store.load.load import Loaded, find_entity, load_file
from scorer.store.lookups import Lookups
from scorer.store.memory import MemoryStore, stored
from scorer.store.protocol import Fetch, Reply, Request, Store
from scorer.store.redis.connect import connect
from scorer.store.redis.sample import sample_problems

__all__ = [
    "Cache",
    "Fetch",
    "Loaded",
    "Lookups",
    "MemoryStore",
    "Reply",
    "Request",
    "Store",
    "connect",
    "find_entity",
    "load_file",
    "sample_problems",
    "stored",
]
