"""Small models of LightGBM of every kind, and rows that visit what matters in them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from scorer.errors import Misconfigured
from scorer.model import load_booster
from scorer.model.imported.booster import ImportedTrees

from .boosters import COLUMNS, Rows

ROWS, ROUNDS = 1_500, 12
CATEGORICAL = (1, 2)  # beta has 40 categories, gamma 3
FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # labels, parameters
    "binary": ("binary", {"objective": "binary"}),
    "steep": ("binary", {"objective": "binary", "sigmoid": 2.5}),
    "regression": ("real", {"objective": "regression"}),
    "sqrt": ("real", {"objective": "regression", "reg_sqrt": True}),
    "l1": ("real", {"objective": "regression_l1"}),
    "huber": ("real", {"objective": "huber"}),
    "fair": ("real", {"objective": "fair"}),
    "quantile": ("real", {"objective": "quantile"}),
    "mape": ("positive", {"objective": "mape"}),
    "poisson": ("positive", {"objective": "poisson"}),
    "gamma": ("positive", {"objective": "gamma"}),
    "tweedie": ("positive", {"objective": "tweedie"}),
    "cross-entropy": ("share", {"objective": "cross_entropy"}),
    "cross-entropy-lambda": ("share", {"objective": "cross_entropy_lambda"}),
    "multiclass": ("classes", {"objective": "multiclass", "num_class": 3}),
    "one-versus-all": ("classes", {"objective": "multiclassova", "num_class": 3}),
    "ranking": ("classes", {"objective": "lambdarank"}),
    "forest": ("binary", {"objective": "binary"} | FOREST),
    "forest-classes": ("classes", {"objective": "multiclass", "num_class": 3} | FOREST),
    "dart": ("binary", {"objective": "binary", "boosting": "dart"}),
    "zeros-missing": ("binary", {"objective": "binary", "zero_as_missing": True}),
    "nothing-missing": ("binary", {"objective": "binary", "use_missing": False}),
    "stumps": ("binary", {"objective": "binary", "num_leaves": 2}),
    "leaves": ("binary", {"objective": "binary", "min_gain_to_split": 1e9}),
    "deep": ("real", {"objective": "regression", "num_leaves": 60, "min_data_in_leaf": 1}),
    "custom": ("real", {"objective": lambda scores, data: (scores - data.get_label(), np.ones(len(scores)))}),
}


def rows(count: int, seed: int = 0) -> Rows:
    """Rows [count, COLUMNS] with missing values, zeros, values close to zero, and categories of all sorts."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, COLUMNS))
    values[:, 1], values[:, 2] = rng.integers(0, 40, count), rng.integers(0, 3, count)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(values.shape) < 0.05] = 0
    return values.astype(np.float32)


def edges(count: int, seed: int = 1) -> Rows:
    """Rows that training has not seen: unknown categories, fractions, and numbers at the limits."""
    rng, values = np.random.default_rng(seed), rows(count, seed)
    odd = np.array([-1, -0.5, 0.5, 39.5, 40, 60, 2**24, 3e9, -3e9, 1e20])
    tiny = np.array([1e-36, -1e-36, 1e-35, -1e-35, 2e-35, -0.0, 1e-45, 3e38, -3e38])
    for column in range(COLUMNS):
        chosen = rng.random(count) < 0.3
        values[chosen, column] = rng.choice(odd if column in CATEGORICAL else tiny, int(chosen.sum()))
    return values


@cache
def train(kind: str, *, categorical: bool = False) -> str:
    """Train one of KINDS, and return the text that `save_model` writes."""
    labels, parameters = KINDS[kind]
    given: dict[str, Any] = {"verbosity": -1, "num_leaves": 12, "num_threads": 1, "min_data_per_group": 20, "seed": 1}
    return grow(rows(ROWS), _labels(labels, rows(ROWS)), given | parameters, categorical=categorical)


def grow(values: Rows, labels: NDArray[Any], parameters: dict[str, Any], *, categorical: bool) -> str:
    group = [len(values) // 10] * 10 if parameters["objective"] == "lambdarank" else None
    codes: Any = list(CATEGORICAL) if categorical else "auto"
    data = lightgbm.Dataset(values, labels, group=group, categorical_feature=codes)
    return str(lightgbm.train(parameters, data, ROUNDS).model_to_string())


def _labels(kind: str, values: Rows) -> NDArray[Any]:
    signal = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1] % 3) * np.nan_to_num(values[:, 2])
    found: dict[str, Any] = {
        "binary": signal > 0,
        "classes": np.digitize(signal, [0, 1]),
        "positive": np.exp(signal / 3),
        "share": 1 / (1 + np.exp(-signal)),
        "real": signal,
    }
    return np.asarray(found[kind], np.float64)


def predict(text: str, values: Rows, **options: Any) -> NDArray[np.float64]:
    """Return what LightGBM predicts."""
    booster = lightgbm.Booster(model_str=text)
    return np.asarray(booster.predict(values, num_threads=1, **options))


def loaded(text: str, rounds: str | int | None = None) -> ImportedTrees:
    """Return a model as a replica has it."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.txt")
        file.write_text(text)
        booster = load_booster(file, rounds)
    assert isinstance(booster, ImportedTrees)
    return booster


def refusal(text: str | bytes) -> str:
    """Return why a model is not loaded."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.txt")
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        try:
            load_booster(file)
        except Misconfigured as error:
            (problem,) = error.problems
            return f"{problem.what}; {problem.expected}"
    return ""


def same_bits(ours: NDArray[Any], theirs: NDArray[np.float64]) -> bool:
    """Equal bit for bit."""
    return ours.shape == theirs.shape and ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
