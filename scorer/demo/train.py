"""Trains the demo's model and adds it to the bundles: `python -m scorer.demo.train [--models DIR] [--version V]`.

The model predicts how likely a flight that has just left its gate is to arrive more than 15 minutes late. It is trained
on the flights of January to August 2013 and evaluated on those of September to December, which influenced no choice:
its parameters are those that did best on July and August after training on January to June.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from scorer.demo import flights, tables
from scorer.demo.proof import auc, booster_scores
from scorer.model import repository_at

NAME = "flight-delays"
PLAN_FILE = Path(__file__).with_name("plan.yaml")
ROUNDS = 200
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
    names, values = tables.matrix(training, tables.found_at_the_time(training))
    arrived = training.late.notna().to_numpy()
    data = xgboost.DMatrix(
        values[arrived],
        training.late[arrived],
        feature_names=names,
        feature_types=["c" if name in tables.CATEGORICAL else "q" for name in names],
        enable_categorical=True,
        nthread=1,
    )
    return xgboost.train(PARAMETERS, data, rounds)


def add(models: Path, version: str) -> Path:
    """Train and add the bundle to `models`; return its folder.

    Raises:
        Misconfigured: the version exists.
    """
    training, events = flights.split(flights.read())
    booster = train(training)
    loaded = tables.as_loaded(training)
    found = tables.found(events, loaded)
    scores = booster_scores(booster, *tables.matrix(events, found))
    with tempfile.TemporaryDirectory() as folder:
        model, golden = Path(folder, "model.ubj"), Path(folder, "golden.jsonl")
        booster.save_model(model)
        golden.write_text("".join(json.dumps(line) + "\n" for line in _golden(events, found, scores)))
        files = {"model.ubj": model, "plan.yaml": PLAN_FILE, "golden.jsonl": golden}
        bundle = repository_at(models / NAME).add(version, files, str(PARAMETERS["objective"]))
    _report(events, scores)
    return bundle.folder


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
