"""Trains the demo's model and adds it to the bundles: `python -m scorer.demo.train [--models DIR] [--version V]`.

The model predicts how likely a flight that has just left its gate is to arrive more than 15 minutes late. It is trained
on the flights of January to August 2013 and evaluated on those of September to December, which influenced no choice:
its parameters are those that did best on July and August after training on January to June.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from scorer.demo import flights, tables
from scorer.demo.proof import auc, booster_scores
from scorer.drift import Baseline, make_baseline
from scorer.model import repository_at
from scorer.plan import Plan
from scorer.serving.serving import codes_of

NAME = "flight-delays"
PLAN_FILE = Path(__file__).with_name("plan.yaml")
ROUNDS = 200
PROVEN = 2_000  # flights that golden events of further versions are taken from
PARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 6,
    "learning_rate": 0.05,
    "min_child_weight": 100,
    "subsample": 0.5,
    "colsample_bytree": 0.5,
    "seed": 2013,
    "nthread": 1,  # always sums in the same order, so the model's bytes are reproducible
}


def train(training: pd.DataFrame, rounds: int = ROUNDS) -> xgboost.Booster:
    """Train the model on these flights, without the diverted ones, which have no arrival delay."""
    return fit(training.late, *tables.matrix(training, tables.found_at_the_time(training)), rounds)


def fit(
    late: pd.Series,
    names: list[str],
    values: NDArray[np.float32],
    rounds: int,
    parameters: Mapping[str, object] = MappingProxyType({}),
) -> xgboost.Booster:
    """Train on a matrix.

    Args:
        late: [flights], 1 late, 0 on time, NaN unknown: these are left out.
        names: the columns.
        values: [flights, columns].
        rounds: the number of boosting rounds.
        parameters: replace the demo's own.
    """
    arrived = late.notna().to_numpy()
    data = xgboost.DMatrix(
        values[arrived],
        late[arrived],
        feature_names=names,
        feature_types=["c" if name in tables.CATEGORICAL else "q" for name in names],
        enable_categorical=True,
        nthread=1,
    )
    return xgboost.train(PARAMETERS | dict(parameters), data, rounds)


def add(models: Path, version: str) -> Path:
    """Train and add the bundle to `models`; return its folder.

    Raises:
        Misconfigured: the version exists.
    """
    training, later = flights.split(flights.read())
    examples = Examples.of(training, later)
    bundle, scores = add_booster(models, version, train(training), examples)
    _report(later, scores)
    return bundle


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What versions are trained, proved and compared with.

    events, found: flights of the later months, and the features that the store has for them.
    trained:       the columns and the matrix of the training, as the model saw them: what drift is measured against.
    """

    events: pd.DataFrame
    found: tables.Tables
    trained: tuple[list[str], NDArray[np.float32]]

    @classmethod
    def of(cls, training: pd.DataFrame, events: pd.DataFrame) -> Self:
        """Return these flights with the features that are known from the training months."""
        trained = tables.matrix(training, tables.found_at_the_time(training))
        return cls(events, tables.found(events, tables.as_loaded(training)), trained)

    def baseline(self, booster: xgboost.Booster) -> Baseline:
        """Return the baseline that drift is measured against."""
        names, values = self.trained
        return make_baseline(codes_of(Plan.load(PLAN_FILE)), values, booster_scores(booster, names, values))


def add_booster(
    models: Path, version: str, booster: xgboost.Booster, examples: Examples
) -> tuple[Path, NDArray[np.float32]]:
    """Add a booster as a version, with golden events and a baseline; return its folder and the scores of the events.

    Raises:
        Misconfigured: the version exists.
    """
    events, found = examples.events, examples.found
    scores = booster_scores(booster, *tables.matrix(events, found))
    with tempfile.TemporaryDirectory() as folder:
        model, golden = Path(folder, "model.ubj"), Path(folder, "golden.jsonl")
        booster.save_model(model)
        golden.write_text("".join(json.dumps(line) + "\n" for line in _golden(events, found, scores)))
        reference = Path(folder, "baseline.json")
        reference.write_text(examples.baseline(booster).text())
        files = {"model.ubj": model, "plan.yaml": PLAN_FILE, "golden.jsonl": golden, "baseline.json": reference}
        bundle = repository_at(models / NAME).add(version, files, str(PARAMETERS["objective"]))
    return bundle.folder, scores


def _golden(events: pd.DataFrame, found: tables.Tables, scores: NDArray[np.float32]) -> Iterator[dict[str, object]]:
    """Yield golden rows: the flights with the extreme scores, the first one, and one without each entity's features."""
    unknown = [int(table.isna().all(axis=1).to_numpy().argmax()) for table in found.values()]
    for row in sorted({0, int(scores.argmin()), int(scores.argmax()), *unknown}):
        event = events.loc[row, flights.FIELDS]
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in event.items()}
        plain["scheduled_departure"] = event.scheduled_departure.isoformat()
        plain["local_date"] = event.local_date.date().isoformat()
        plain["local_time"] = str((pd.Timestamp(0) + event.local_time).time())
        features = {name: table.loc[row].dropna().astype(float).to_dict() for name, table in found.items()}
        known = {name: values for name, values in features.items() if values}
        yield {"event": plain, "features": known, "score": float(scores[row])}


def _report(events: pd.DataFrame, scores: NDArray[np.float32]) -> None:
    late = events.late.to_numpy()
    alone = auc(late, events.dep_delay.to_numpy())
    print(  # noqa: T201  the script's answer
        f"September to December: {np.isfinite(late).sum():,} flights arrived, {np.nanmean(late):.1%} of them late; "
        f"AUC {auc(late, scores):.4f} (the delay at departure alone: {alone:.4f})",
        file=sys.stderr,
    )


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of models (default: %(default)s)")
    parser.add_argument("--version", default="1", help="name of the version, which must be new (default: %(default)s)")
    options = parser.parse_args()
    print(add(options.models, options.version))  # noqa: T201  the script's answer


if __name__ == "__main__":
    main()
