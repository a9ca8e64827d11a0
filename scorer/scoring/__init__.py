"""Scoring: from decoded events to the matrix of the model."""

from scorer.scoring.features import Features

__all__ = ["Features"]
