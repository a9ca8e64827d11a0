"""The model: bundles on disk and the booster in memory; the only room that imports xgboost."""

from scorer.model.booster import Booster, load_booster
from scorer.model.bundle import (
    Bundle,
    find_bundle,
    new_version_problems,
    next_version,
    resolve_version,
    versions,
    write_bundle,
)
from scorer.model.golden import Golden, read_golden
from scorer.model.manifest import Manifest

__all__ = [
    "Booster",
    "Bundle",
    "Golden",
    "Manifest",
    "find_bundle",
    "load_booster",
    "new_version_problems",
    "next_version",
    "read_golden",
    "resolve_version",
    "versions",
    "write_bundle",
]
