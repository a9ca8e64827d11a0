"""The plan: which entities a model needs, and where each of its columns comes from."""

from scorer.plan.columns import FromEvent
from scorer.plan.plan import Draft, Entity, Plan

__all__ = ["Draft", "Entity", "FromEvent", "Plan"]
