"""The roll-out of a model: which version scores which events, who changed that, and where the state is kept."""

from scorer.rollout.arms import Arms
from scorer.rollout.changes import canary, promote, rollback, shadow
from scorer.rollout.file import FILE, FileHome, digest, next_file, read_file
from scorer.rollout.history import Change, Held, Log
from scorer.rollout.home import Conflict, Home
from scorer.rollout.kind import choosing, kind_of_home
from scorer.rollout.paced import Paced
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
    "Paced",
    "Shadow",
    "State",
    "canary",
    "choosing",
    "digest",
    "kind_of_home",
    "next_file",
    "promote",
    "read_file",
    "rollback",
    "shadow",
]
