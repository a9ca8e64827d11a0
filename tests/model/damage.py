"""Loads models with bytes changed at random, and says what became of each: a program, since it might crash.

python -m tests.model.damage KIND ENDING SEED COUNT FOLDER
"""

import json
import random
import sys
from pathlib import Path

import xgboost

from scorer.errors import Misconfigured
from scorer.model import load_booster

from .boosters import grow, is_categorical, rows, same_bits

LIKELY = b'0123456789-.eE,[]{}"\0\x01\xff\x7f'  # in place of random ones, so that the text of JSON stays JSON


def change(model: bytes, draw: random.Random) -> bytes:
    """Return the model with one byte changed, or with twenty."""
    data = bytearray(model)
    for _ in range(draw.choice([1, 1, 1, 20])):
        at = draw.randrange(len(data))
        data[at] = draw.choice([draw.randrange(256), data[at] ^ (1 << draw.randrange(8)), draw.choice(LIKELY)])
    return bytes(data)


def outcome(file: Path, kind: str) -> str:
    """Load a model: `refused`, `scored` as the booster itself scores, or `different`."""
    matrix = rows(40, seed=3, categorical=is_categorical(kind))
    try:
        booster = load_booster(file)
    except Misconfigured as error:
        (problem,) = error.problems
        return "refused" if "is not a usable model: " in problem.what and "\n" not in problem.what else "?"
    if booster.columns != matrix.shape[1]:
        return "other columns"
    data = xgboost.DMatrix(matrix, feature_types=booster.feature_types)
    expected = xgboost.Booster(model_file=file).predict(data, validate_features=False)
    return "scored" if same_bits(booster.score(matrix).values, expected) else "different"


def main(kind: str, ending: str, seed: str, count: str, folder: str) -> None:
    """Print the outcome of each model as JSON."""
    model = bytes(grow(kind, 2, {"max_depth": 3}).save_raw(ending))
    draw, file, found = random.Random(int(seed)), Path(folder) / f"model.{ending}", []  # noqa: S311  seeded on purpose
    for _ in range(int(count)):
        file.write_bytes(change(model, draw))
        found.append(outcome(file, kind))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
