"""The roll-out of a model: which version scores which events, who changed that, and where the state is kept."""

from scorer.rollout.arms import Arms
from scorer.rollout.changes import canary, disband, ensemble, promote, rollback, shadow
from scorer.rollout.ensembles import Combine, Ensemble
from scorer.rollout.file import FILE, FileHome
from scorer.rollout.history import Change, Held, Log
from scorer.rollout.home import Conflict, Home
from scorer.rollout.kind import choosing, chosen_version, kind_of_home, state_in_file
from scorer.rollout.state import Canary, Shadow, State

__all__ = [
    "FILE",
    "Arms",
    "Canary",
    "Change",
    "Combine",
    "Conflict",
    "Ensemble",
    "FileHome",
    "Held",
    "Home",
    "Log",
    "Shadow",
    "State",
    "canary",
    "choosing",
    "chosen_version",
    "disband",
    "ensemble",
    "kind_of_home",
    "promote",
    "rollback",
    "shadow",
    "state_in_file",
]
