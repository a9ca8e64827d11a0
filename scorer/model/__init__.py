"""The model: bundles on disk and the booster in memory. Only this room imports xgboost."""

from scorer.model.booster import Booster
from scorer.model.bundle import (
    Bundle,
    find_bundle,
    new_version_problems,
    next_version,
    open_bundle,
    resolve_version,
    versions,
    write_bundle,
)
from scorer.model.categories import Given
from scorer.model.golden import Golden, read_golden
from scorer.model.load import load_booster, misnamed
from scorer.model.manifest import MODELS, Manifest
from scorer.model.rounds import Rounds, parse_rounds

__all__ = [
    "MODELS",
    "Booster",
    "Bundle",
    "Given",
    "Golden",
    "Manifest",
    "Rounds",
    "find_bundle",
    "load_booster",
    "misnamed",
    "new_version_problems",
    "next_version",
    "open_bundle",
    "parse_rounds",
    "read_golden",
    "resolve_version",
    "versions",
    "write_bundle",
]
