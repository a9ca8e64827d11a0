"""Scoring: from decoded events to predictions, without I/O of its own."""

from scorer.scoring.features import Features
from scorer.scoring.scorer import Arm, Prepared, Scorer, Watch, unwatched

__all__ = ["Arm", "Features", "Prepared", "Scorer", "Watch", "unwatched"]
