"""The model: bundles on disk and the booster in memory. Only this room imports xgboost."""

from scorer.model.bundles.bundle import Bundle, is_bundle
from scorer.model.bundles.golden import Golden, read_golden
from scorer.model.bundles.manifest import MODELS, Manifest
from scorer.model.interface import Booster, Contributions, Explainer
from scorer.model.learned.categories import Given
from scorer.model.learned.rounds import Rounds, parse_rounds
from scorer.model.load import load_booster, misnamed
from scorer.model.repositories.mlflow import AliasHome, MlflowRepository
from scorer.model.repositories.repository import Repository, bundle_at, repository_at
from scorer.model.repositories.state_home import chosen_version, file_home, state_in_file
from scorer.model.repositories.versions import LATEST

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
