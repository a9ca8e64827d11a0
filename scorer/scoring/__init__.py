"""Scoring: from decoded events to the matrix of the model."""

from scorer.scoring.features import Features
from scorer.scoring.scorer import Arm, Scorer, Watch, unwatched

__all__ = ["Arm", "Features", "Scorer", "Watch", "unwatched"]
