"""The model: bundles on disk and the booster in memory. Only this room imports xgboost."""

from scorer.model.bundle import Bundle, is_bundle
from scorer.model.categories import Given
from scorer.model.golden import Golden, read_golden
from scorer.model.interface import Booster, Contributions, Explainer
from scorer.model.load import load_booster, misnamed
from scorer.model.manifest import MODELS, Manifest
from scorer.model.mlflow import AliasHome, MlflowRepository
from scorer.model.repository import Repository, bundle_at, repository_at
from scorer.model.rounds import Rounds, parse_rounds
from scorer.model.state_home import chosen_version, file_home, state_in_file
from scorer.model.versions import LATEST

__all__ = [
    "LATEST",
    "MODELS",
    "AliasHome",
    "Booster",
    "Bundle",
    "Contributions",
    "Explainer",
    "Given",
    "Golden",
    "Manifest",
    "MlflowRepository",
    "Repository",
    "Rounds",
    "bundle_at",
    "chosen_version",
    "file_home",
    "is_bundle",
    "load_booster",
    "misnamed",
    "parse_rounds",
    "read_golden",
    "repository_at",
    "state_in_file",
]
