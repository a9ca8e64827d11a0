"""The versions of a roll-out: a first model, a better one and a bad one.

The first knows how early a flight has left, but not how late. The second is the demo's own model, which does. The third
was trained with late and on time mixed up: nothing is wrong with it but its scores.
"""

from pathlib import Path

import numpy as np
import xgboost

from scorer.demo import flights, train

FIRST, BETTER, BAD = VERSIONS = ("1", "2", "3")
SMALL = {"max_depth": 4, "learning_rate": 0.3}
ROUNDS = 20


def add(models: Path, shipped: Path | None) -> None:
    """Add all versions to `models`.

    Args:
        models: the folder of models.
        shipped: the file of the demo's model; None if it has to be trained.
    """
    training, later = flights.split(flights.read())
    examples = train.Examples.of(training, later[: train.PROVEN])
    names, values = examples.trained
    without = values.copy()
    without[:, names.index("expected_delay")] = np.nan
    without[:, names.index("dep_delay")] = np.minimum(values[:, names.index("dep_delay")], 0)
    boosters = {
        FIRST: train.fit(training.late, names, without, ROUNDS, SMALL),
        BETTER: xgboost.Booster({"nthread": 1}, model_file=shipped) if shipped else train.train(training),
        BAD: train.fit(1 - training.late, names, values, ROUNDS, SMALL),
    }
    for version, booster in boosters.items():
        train.add_booster(models, version, booster, examples)
