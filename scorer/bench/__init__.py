"""Measures where the time of a configuration goes: a replica works through a backlog on a sandbox's broker."""

from scorer.bench.bench import Result, unreachable, work_off
from scorer.bench.budget import Budget

__all__ = ["Budget", "Result", "unreachable", "work_off"]
