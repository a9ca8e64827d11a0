"""The roll-out of a model: which version scores which events, who changed that, and where the state is kept."""

from scorer.rollout.arms import Arms
from scorer.rollout.board import Board, Decision, Listener, withdrawal
from scorer.rollout.changes import canary, guard, promote, rollback, shadow
from scorer.rollout.file import FILE, FileHome
from scorer.rollout.guards import Guards, Window
from scorer.rollout.history import Change, Held, Log
from scorer.rollout.home import Conflict, Home
from scorer.rollout.kind import choosing, chosen_version, kind_of_home
from scorer.rollout.state import Canary, Shadow, State
from scorer.rollout.tally import Tally

__all__ = [
    "FILE",
    "Arms",
    "Board",
    "Canary",
    "Change",
    "Conflict",
    "Decision",
    "FileHome",
    "Guards",
    "Held",
    "Home",
    "Listener",
    "Log",
    "Shadow",
    "State",
    "Tally",
    "Window",
    "canary",
    "choosing",
    "chosen_version",
    "guard",
    "kind_of_home",
    "promote",
    "rollback",
    "shadow",
    "withdrawal",
]
