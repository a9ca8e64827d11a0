"""Scoring: from decoded events to predictions, without I/O of its own."""

from scorer.scoring.features import Features
from scorer.scoring.scorer import Arm, Explain, Scorer, Watch, unwatched

__all__ = ["Arm", "Explain", "Features", "Scorer", "Watch", "unwatched"]
