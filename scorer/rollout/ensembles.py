"""The form of the ensembles in a roll-out state: several versions whose scores are combined, under one name."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scorer.errors import Problem

MOST_VERSIONS = 16  # of one ensemble: each scores every event

Combine = Literal["mean", "rank"]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=2)]
Weights = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(strict=False)]


class Ensemble(BaseModel):
    """Several versions that score as one.

    versions: the versions, in the order in which their scores are combined.
    combine:  `mean` of their scores, or of their `rank`: the place of each score among those of the golden events.
    weights:  one for each version; if empty, all count alike. Only their proportions matter.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    versions: Names
    combine: Combine = "mean"
    weights: Weights = ()

    @property
    def all_weights(self) -> tuple[float, ...]:
        """The weight of each version; 1 if none are given."""
        return self.weights or (1.0,) * len(self.versions)

    def __str__(self) -> str:
        """In a few words, such as `mean of 1 (0.7) and 2 (0.3)`."""
        weighed = [f" ({weight:g})" for weight in self.weights] or [""] * len(self.versions)
        named = [f"{version}{weight}" for version, weight in zip(self.versions, weighed, strict=True)]
        return f"{self.combine} of {' and '.join(named)}"


def ensemble_problems(ensembles: Mapping[str, Ensemble], where: str) -> list[Problem]:
    """Return how ensembles contradict themselves and each other."""
    return [problem for name, each in ensembles.items() for problem in _problems(name, each, ensembles, where)]


def _problems(name: str, ensemble: Ensemble, ensembles: Mapping[str, Ensemble], where: str) -> list[Problem]:
    versions, weights = ensemble.versions, ensemble.weights
    here, problems = f"{where}: ensembles[{name}]", list[Problem]()
    if not (name and name.isprintable()):
        problems.append(Problem(here, f"{name!r} is no name", "expected printable text on one line"))
    if len(versions) > MOST_VERSIONS:
        problems.append(Problem(here, f"{len(versions)} versions", f"expected at most {MOST_VERSIONS}"))
    if len(set(versions)) < len(versions):
        problems.append(Problem(here, f"a version is named twice: {', '.join(versions)}", "give it a larger weight"))
    if weights and len(weights) != len(versions):
        what = f"{len(weights)} weights for {len(versions)} versions"
        problems.append(Problem(here, what, "expected one for each version, or none"))
    if nested := [version for version in versions if version in ensembles]:
        problems.append(Problem(here, f"'{nested[0]}' is an ensemble", "expected versions"))
    return problems
