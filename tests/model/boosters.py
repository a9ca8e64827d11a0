"""Tiny boosters of every kind, trained in milliseconds, and rows that visit what matters in them."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numba
import numpy as np
import xgboost
from numpy.typing import NDArray

from scorer.model import Booster
from scorer.model.saved.nodes import grown_part
from scorer.model.xgboost.booster import XGBooster

Rows = NDArray[np.float32]

COMPILES = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
ROWS, COLUMNS, ROUNDS = 400, 5, 8
NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
CATEGORICAL = ("float", "c", "c", "float", "float")  # beta has 40 categories, gamma 3: partitions and one-hot splits


def rows(count: int, seed: int = 0, *, categorical: bool = False) -> Rows:
    """Rows [count, COLUMNS] with a tenth missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, COLUMNS)).astype(np.float32)
    if categorical:
        values[:, 1], values[:, 2] = rng.integers(0, 40, count), rng.integers(0, 3, count)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def _labels(kind: str, data: Rows) -> Any:
    rng = np.random.default_rng(1)
    signal = np.nan_to_num(data[:, 0]) + np.nan_to_num(data[:, 1] % 3) * np.nan_to_num(data[:, 2])
    match kind:
        case "binary":
            return (signal > 0.5).astype(np.float64)
        case "classes":
            return np.digitize(signal, [0.0, 1.0]).astype(np.float64)
        case "positive":
            return np.exp(signal / 2)
        case "count":
            return rng.poisson(np.exp(np.clip(signal, -2, 2))).astype(np.float64)
        case "outputs":
            return np.stack([signal, -signal + rng.normal(size=len(data))], axis=1)
        case _:
            return signal


KINDS: dict[str, tuple[str, dict[str, object]]] = {  # labels, parameters
    "logistic": ("binary", {"objective": "binary:logistic"}),
    "logitraw": ("binary", {"objective": "binary:logitraw"}),
    "hinge": ("binary", {"objective": "binary:hinge"}),
    "squarederror": ("real", {"objective": "reg:squarederror"}),
    "forest": ("real", {"objective": "reg:squarederror", "num_parallel_tree": 3, "subsample": 0.7}),
    "lossguide": (
        "real",
        {"objective": "reg:squarederror", "grow_policy": "lossguide", "max_depth": 0, "max_leaves": 40},
    ),
    "stumps": ("binary", {"objective": "binary:logistic", "max_depth": 1}),
    "leaves": ("binary", {"objective": "binary:logistic", "gamma": 1e9}),
    "absoluteerror": ("real", {"objective": "reg:absoluteerror"}),
    "logistic-regression": ("binary", {"objective": "reg:logistic", "base_score": 0.3}),
    "poisson": ("count", {"objective": "count:poisson"}),
    "gamma": ("positive", {"objective": "reg:gamma"}),
    "tweedie": ("positive", {"objective": "reg:tweedie"}),
    "cox": ("positive", {"objective": "survival:cox"}),
    "aft": ("positive", {"objective": "survival:aft"}),
    "quantile": ("real", {"objective": "reg:quantileerror", "quantile_alpha": 0.5}),
    "quantiles": ("real", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}),
    "softprob": ("classes", {"objective": "multi:softprob", "num_class": 3}),
    "softmax": ("classes", {"objective": "multi:softmax", "num_class": 3}),
    "ndcg": ("classes", {"objective": "rank:ndcg"}),
    "ndcg-unbiased": ("classes", {"objective": "rank:ndcg", "lambdarank_unbiased": True}),
    "pairwise": ("classes", {"objective": "rank:pairwise"}),
    "outputs": ("outputs", {"objective": "reg:squarederror"}),
    "vector-leaf": ("outputs", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}),
    "dart": ("binary", {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5}),
    "dart-classes": ("classes", {"objective": "multi:softprob", "num_class": 3, "booster": "dart", "rate_drop": 0.5}),
    "linear": ("binary", {"objective": "binary:logistic", "booster": "gblinear"}),
    "linear-classes": ("classes", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear"}),
    "categorical": ("binary", {"objective": "binary:logistic", "max_cat_to_onehot": 5}),
    "categorical-dart": ("binary", {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5}),
    "categorical-classes": ("classes", {"objective": "multi:softprob", "num_class": 3}),
}


def model_of(learner: Any) -> Any:
    """Return the part of a saved learner with its trees and their counts."""
    return grown_part(learner)["model"]


@cache
def train(kind: str, *, named: bool = True, rounds: int = ROUNDS) -> xgboost.Booster:
    """Train one of KINDS, as `predict` would find it in the trainer's process. Do not change it: it is cached."""
    return grow(kind, rounds, {}, named=named)


def grow(kind: str, rounds: int, parameters: Mapping[str, object], *, named: bool = True) -> xgboost.Booster:
    """Train one of KINDS with some parameters of its own."""
    labels, of_kind = KINDS[kind]
    data = rows(ROWS, categorical=is_categorical(kind))
    label = _labels(labels, data)
    matrix = xgboost.DMatrix(
        data,
        feature_names=list(NAMES) if named else None,
        feature_types=list(CATEGORICAL) if is_categorical(kind) else None,
        enable_categorical=True,
    )
    if kind == "aft":
        matrix.set_info(label_lower_bound=label, label_upper_bound=label)
    else:
        matrix.set_info(label=label)
    if str(KINDS[kind][1]["objective"]).startswith("rank:"):
        matrix.set_info(group=[ROWS // 20] * 20)
    given = {"tree_method": "hist", "nthread": 1, "seed": 1, "max_depth": 4, "verbosity": 0, **of_kind, **parameters}
    if given.get("booster") == "gblinear":
        given = of_kind | {"nthread": 1, "seed": given["seed"]}
    return xgboost.train(given, matrix, rounds)


@cache
def loaded(kind: str, *, named: bool = True) -> Booster:
    """One of KINDS as a replica has it: saved, and loaded without its trainer's settings."""
    return XGBooster(xgboost.Booster(model_file=train(kind, named=named).save_raw("ubj")))


def is_categorical(kind: str) -> bool:
    return kind.startswith("categorical")


def predict(booster: xgboost.Booster, matrix: Rows) -> Rows:
    """Return the reference scores, from XGBoost's usual call."""
    data = xgboost.DMatrix(
        matrix, feature_names=booster.feature_names, feature_types=booster.feature_types, enable_categorical=True
    )
    scores: Rows = booster.predict(data)
    return scores


def same_bits(ours: Rows, theirs: Rows) -> bool:
    """Equal bit for bit, the signs of zeros included; any NaN equals any."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    both_nan = np.isnan(ours) & np.isnan(theirs)
    return bool((both_nan | (ours.view(np.uint32) == theirs.view(np.uint32))).all())


def edited(booster: xgboost.Booster, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The model as JSON text after a change, for models that no trainer makes."""
    document = json.loads(booster.save_raw("json"))
    change(document["learner"])
    return json.dumps(document).encode()
