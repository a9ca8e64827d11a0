"""The feature store: its protocol, a cache of its replies, Redis, and loading features into it."""

from scorer.store.cache import Cache
from scorer.store.load.load import Loaded, find_entity, load_file
from scorer.store.lookups import Lookups
from scorer.store.protocol import Fetch, Reply, Request, Store
from scorer.store.redis.connect import connect
from scorer.store.redis.layouts import layout_of
from scorer.store.redis.sample import sample_problems

__all__ = [
    "Cache",
    "Fetch",
    "Loaded",
    "Lookups",
    "Reply",
    "Request",
    "Store",
    "connect",
    "find_entity",
    "layout_of",
    "load_file",
    "sample_problems",
]
