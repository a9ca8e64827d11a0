"""The roll-out of a model: which version scores which events, who changed that, and where the state is kept."""

from scorer.rollout.arms import Arms, Sample, keys_of
from scorer.rollout.board import Board, Decision, Listener, withdrawal
from scorer.rollout.changes import canary, disband, ensemble, guard, promote, rollback, shadow
from scorer.rollout.ensembles import Combine, Ensemble
from scorer.rollout.file import FILE, FileHome, digest, next_file, read_file
from scorer.rollout.guards import Guards, Window
from scorer.rollout.history import Change, Held, Log
from scorer.rollout.home import Conflict, Home
from scorer.rollout.kind import choosing, kind_of_home
from scorer.rollout.paced import Paced
from scorer.rollout.state import Canary, Shadow, State
from scorer.rollout.tally import Tally

__all__ = [
    "FILE",
    "Arms",
    "Board",
    "Canary",
    "Change",
    "Combine",
    "Conflict",
    "Decision",
    "Ensemble",
    "FileHome",
    "Guards",
    "Held",
    "Home",
    "Listener",
    "Log",
    "Paced",
    "Sample",
    "Shadow",
    "State",
    "Tally",
    "Window",
    "canary",
    "choosing",
    "digest",
    "disband",
    "ensemble",
    "guard",
    "keys_of",
    "kind_of_home",
    "next_file",
    "promote",
    "read_file",
    "rollback",
    "shadow",
    "withdrawal",
]
