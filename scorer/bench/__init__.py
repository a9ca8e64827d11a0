"""Where the time of a configuration goes: a replica on a sandbox's broker works off a backlog of its events."""

from scorer.bench.bench import Result, unreachable, work_off
from scorer.bench.budget import Budget

__all__ = ["Budget", "Result", "unreachable", "work_off"]
