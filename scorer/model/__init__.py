"""The model: bundles on disk and the booster in memory. Only this room imports xgboost."""

from scorer.model.booster import Booster
from scorer.model.bundle import Bundle, is_bundle, open_bundle
from scorer.model.categories import Given
from scorer.model.golden import Golden, read_golden
from scorer.model.load import load_booster, misnamed
from scorer.model.manifest import Manifest
from scorer.model.repository import Repository, repository_at
from scorer.model.rounds import Rounds, parse_rounds

__all__ = [
    "Booster",
    "Bundle",
    "Given",
    "Golden",
    "Manifest",
    "Repository",
    "Rounds",
    "is_bundle",
    "load_booster",
    "misnamed",
    "open_bundle",
    "parse_rounds",
    "read_golden",
    "repository_at",
]
