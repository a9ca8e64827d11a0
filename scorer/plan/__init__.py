"""The plan: the entities that a model needs, and the source of each of its columns."""

from scorer.plan.columns import FromEvent
from scorer.plan.plan import Draft, Entity, Plan

__all__ = ["Draft", "Entity", "FromEvent", "Plan"]
