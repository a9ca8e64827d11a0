"""Contributions by tables against those of XGBoost, which explains each model from its own copy of the trees."""

import json
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.errors import Misconfigured
from scorer.model import Explainer
from scorer.model.explain import contributions
from scorer.model.explain.groups import MOST_BITS
from scorer.model.saved import ubjson
from scorer.model.trees.forest import BLOCK, flatten
from scorer.model.trees.trials import rows_to_try
from scorer.model.xgboost.booster import XGBooster

from .boosters import COLUMNS, COMPILES, KINDS, Rows, edited, grow, is_categorical, loaded, model_of, rows, train
from .test_trees import CATEGORICAL_KINDS, NUMERIC_KINDS, PARAMETERS, trees

ROOMY = 1 << 30
LINEAR = {"linear", "linear-classes"}
EXPLAINED = [kind for kind in KINDS if kind != "vector-leaf"]


def theirs(booster: xgboost.Booster, matrix: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """XGBoost's contributions [rows, outputs, columns + 1], and its margins [rows, outputs]."""
    data = xgboost.DMatrix(
        matrix, feature_names=booster.feature_names, feature_types=booster.feature_types, enable_categorical=True
    )
    parts = booster.predict(data, pred_contribs=True, strict_shape=True)
    return parts.astype(np.float64), booster.predict(data, output_margin=True, strict_shape=True).astype(np.float64)


def agree(ours: Explainer, booster: xgboost.Booster, matrix: Rows, tolerance: float = 1e-5) -> None:
    found = ours.contributions(matrix)
    expected, margins = theirs(booster, matrix)
    assert found.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    assert np.abs(found - expected).max(initial=0) <= tolerance * scale
    assert np.abs(found.sum(axis=2) - margins).max(initial=0) <= tolerance * scale


def fresh(booster: xgboost.Booster, most_bytes: int = ROOMY) -> Explainer:
    """What explains a model that was saved and loaded."""
    return XGBooster(xgboost.Booster(model_file=booster.save_raw("ubj"))).explainer(most_bytes)


@pytest.mark.parametrize("kind", EXPLAINED)
def test_contributions_are_those_of_xgboost_and_add_up_to_the_margin(kind: str) -> None:
    ours = loaded(kind).explainer(ROOMY)
    assert ours.path.startswith("booster: gblinear" if kind in LINEAR else "compiled" if COMPILES else "booster: numba")
    assert (ours.bytes > 0) == (ours.path == "compiled")
    assert (ours.concern == "") == (ours.path == "compiled" or kind in LINEAR)
    matrix = rows(2 * BLOCK + 1, seed=4, categorical=is_categorical(kind))
    for size in (1, BLOCK, 2 * BLOCK + 1):
        agree(ours, train(kind), matrix[:size])


def test_a_row_is_explained_alike_in_every_batch() -> None:
    ours, matrix = loaded("categorical-classes").explainer(ROOMY), rows(300, seed=5, categorical=True)
    together = ours.contributions(matrix)
    assert all((ours.contributions(matrix[row : row + 1])[0] == together[row]).all() for row in (0, 127, 128, 299))


@settings(max_examples=20)
@given(st.one_of(st.sampled_from(NUMERIC_KINDS), st.sampled_from(CATEGORICAL_KINDS)), PARAMETERS, st.integers(1, 9))
def test_any_booster_that_is_trained(kind: str, parameters: dict[str, Any], rounds: int) -> None:
    if kind == "vector-leaf":
        return
    booster = grow(kind, rounds, parameters)
    ours = fresh(booster)
    assert not COMPILES or kind in LINEAR or ours.path == "compiled" or "no training row" in ours.path
    agree(ours, booster, rows(200, seed=parameters["seed"] + 1, categorical=is_categorical(kind)))


@settings(max_examples=15)
@given(st.data(), st.sampled_from(["squarederror", "dart", "quantiles"]))
def test_trees_of_any_shape_that_any_weights_reached(data: st.DataObject, kind: str) -> None:
    weight = st.floats(0.125, 100, width=32)

    def change(learner: dict[str, Any]) -> None:
        model = model_of(learner)
        model["trees"] = [data.draw(trees(number)) for number in range(len(model["trees"]))]
        for tree in model["trees"]:
            tree["sum_hessian"] = [0.0] * len(tree["parents"])
            for node in reversed(range(len(tree["parents"]))):  # a node has the weight of its children
                left, right = tree["left_children"][node], tree["right_children"][node]
                inner = [tree["sum_hessian"][child] for child in (left, right) if child != -1]
                tree["sum_hessian"][node] = sum(inner) if inner else data.draw(weight)

    booster = xgboost.Booster(model_file=bytearray(edited(train(kind), change)))
    ours = XGBooster(booster).explainer(ROOMY)
    assert not COMPILES or ours.path == "compiled"
    learner = ubjson.read(booster.save_raw("ubj"))["learner"]
    forest = flatten(learner, COLUMNS, loaded(kind).classes)
    agree(ours, booster, np.concatenate(list(rows_to_try(forest, COLUMNS)))[-300:])


DEEP: dict[str, Any] = {"objective": "reg:squarederror", "tree_method": "hist", "nthread": 1, "min_child_weight": 0}


def deep(depth: int, rounds: int = 3) -> xgboost.Booster:
    """A model with paths of up to `depth` splits."""
    data = rows(3_000, seed=7)
    label = np.random.default_rng(7).normal(size=len(data))  # noise: no split is better than another
    return xgboost.train(DEEP | {"max_depth": depth}, xgboost.DMatrix(data, label), rounds)


@pytest.mark.parametrize("depth", [7, 8, 10, 12])
def test_paths_longer_than_a_group(depth: int) -> None:
    booster = deep(depth)
    ours = fresh(booster)
    assert not COMPILES or ours.path == "compiled"
    agree(ours, booster, rows(300, seed=8))


@pytest.mark.parametrize("cause", ["memory", "depth", "weights", "disagrees"])
def test_what_the_tables_cannot_do_xgboost_does_and_it_says_so(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    booster, limit, said = train("squarederror"), ROOMY, ""
    match cause:
        case "memory":
            limit, said = 1_000, "bytes, more than predictions.explain.max_bytes allows (1,000)"
        case "depth":
            booster, said = deep(24), f"splits, more than {MOST_BITS}"
        case "weights":

            def weightless(learner: dict[str, Any]) -> None:
                tree = learner["gradient_booster"]["model"]["trees"][2]
                tree["sum_hessian"][0] = 0.0

            booster = xgboost.Booster(model_file=bytearray(edited(booster, weightless)))
            said = "no training row reached one of its splits"
        case "disagrees":
            add = contributions.add_contributions

            def wrong(*given: Any) -> None:
                add(*given)
                given[-1][5, 0, 2] += 1e-3

            monkeypatch.setattr(contributions, "add_contributions", wrong)
            said = "the tables disagree with XGBoost by 0.00"
    ours = XGBooster(booster).explainer(limit)
    assert said in ours.path
    assert said in ours.concern
    assert ours.bytes == 0
    if cause != "weights":  # without weights, XGBoost has no answer either
        agree(ours, booster, rows(50, seed=9))


def test_the_size_of_the_tables_is_known_before_they_are_made() -> None:
    if not COMPILES:
        return
    booster = train("squarederror")
    size = int("".join(filter(str.isdigit, fresh(booster, 0).path.partition(" bytes")[0])))
    assert fresh(booster, size).path == "compiled"
    assert "more than" in fresh(booster, size - 1).path


def test_a_model_that_xgboost_does_not_explain_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(Misconfigured, match=r"predictions\.explain: XGBoost does not explain this model"):
        loaded("vector-leaf").explainer(ROOMY)


def test_the_output_that_explains_a_prediction_is_the_most_likely_class() -> None:
    matrix = rows(200, seed=3)
    for kind in ("softprob", "softmax"):
        ours = loaded(kind).explainer(ROOMY)
        chosen = ours.explained(ours.contributions(matrix))
        scores = loaded(kind).score(matrix).values
        assert chosen.tolist() == (scores.argmax(axis=1) if kind == "softprob" else scores.astype(int)).tolist()
    ours = loaded("quantiles").explainer(ROOMY)
    assert set(ours.explained(ours.contributions(matrix)).tolist()) == {0}


def test_only_the_rounds_that_score_are_explained() -> None:
    booster = train("logistic")
    ours = XGBooster(booster, 3).explainer(ROOMY)
    agree(ours, booster[:3], rows(50, seed=6))


OFF = """
import json, sys
from scorer.cli.lifecycle import importing
importing.imported("scorer.cli.run"), importing.imported("scorer.cli.score")
found = {name for name in sys.modules if "expla" in name and name.startswith("scorer")}
print(json.dumps(sorted(found - {"scorer.scoring.explained"})))  # which has no kernel
"""


def test_a_replica_that_explains_nothing_loads_no_kernel_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
