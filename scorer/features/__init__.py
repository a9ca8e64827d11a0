"""Features: what a plan says of each model column, the look-up of a batch's keys in Redis, and its matrix."""

from scorer.features.cache import Cache
from scorer.features.columns import FromEvent, PlanColumn
from scorer.features.layouts import Reply, Request
from scorer.features.load import Loaded, find_entity, load_file
from scorer.features.lookup import Features
from scorer.features.plan import Draft, Entity, Plan
from scorer.features.store import Store, connect, sample_problems

__all__ = [
    "Cache",
    "Draft",
    "Entity",
    "Features",
    "FromEvent",
    "Loaded",
    "Plan",
    "PlanColumn",
    "Reply",
    "Request",
    "Store",
    "connect",
    "find_entity",
    "load_file",
    "sample_problems",
]
