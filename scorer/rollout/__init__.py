"""The roll-out of a model: which version scores which events, who changed that, and where the state is kept."""

from scorer.rollout.arms import Arms
from scorer.rollout.changes import canary, promote, rollback, shadow
from scorer.rollout.file import FILE, FileHome
from scorer.rollout.history import Change, Held, Log
from scorer.rollout.home import Conflict, Home
from scorer.rollout.kind import choosing, chosen_version, kind_of_home
from scorer.rollout.state import Canary, Shadow, State

__all__ = [
    "FILE",
    "Arms",
    "Canary",
    "Change",
    "Conflict",
    "FileHome",
    "Held",
    "Home",
    "Log",
    "Shadow",
    "State",
    "canary",
    "choosing",
    "chosen_version",
    "kind_of_home",
    "promote",
    "rollback",
    "shadow",
]
