"""Scoring: from decoded events to predictions, without I/O of its own."""

from scorer.scoring.features import Features
from scorer.scoring.members import Blend, Member, union_of
from scorer.scoring.scorer import Arm, BaseScorer, Explain, Prepared, Scorer, Watch, unwatched
from scorer.scoring.split import SplitScorer

__all__ = [
    "Arm",
    "BaseScorer",
    "Blend",
    "Explain",
    "Features",
    "Member",
    "Prepared",
    "Scorer",
    "SplitScorer",
    "Watch",
    "union_of",
    "unwatched",
]
