"""The compiled trees against the booster, on models that no trainer would make as well as on those that one does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from scorer.errors import Misconfigured
from scorer.model import load, load_booster
from scorer.model.saved import ubjson
from scorer.model.trees.forest import BLOCK, flatten
from scorer.model.trees.trees import Ensemble
from scorer.model.trees.trials import rows_to_try
from scorer.model.xgboost import agreement
from scorer.model.xgboost.booster import XGBooster

from .boosters import (
    COLUMNS,
    COMPILES,
    KINDS,
    Rows,
    edited,
    grow,
    is_categorical,
    loaded,
    model_of,
    predict,
    rows,
    same_bits,
    train,
)

COMPILED = "compiled" if COMPILES else "booster: numba's compiler is switched off"
NOT_COVERED = {
    "aft": "booster: the objective survival:aft is not supported",
    "linear": "booster: gblinear has no trees",
    "linear-classes": "booster: gblinear has no trees",
    "vector-leaf": "booster: its leaves are vectors",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_booster_reports_whether_its_trees_are_compiled(kind: str) -> None:
    expected = NOT_COVERED.get(kind, COMPILED)
    assert loaded(kind).path == (expected if COMPILES or kind != "aft" else COMPILED)


@pytest.mark.parametrize("kind", ["categorical", "dart-classes", "lossguide", "quantiles"])
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1])
def test_scores_are_correct_at_block_boundaries(kind: str, size: int) -> None:
    matrix = rows(2 * BLOCK + 1, seed=4, categorical=is_categorical(kind))
    assert same_bits(loaded(kind).score(matrix[:size]).values, predict(train(kind), matrix)[:size])


@pytest.mark.parametrize("kind", ["logistic", "poisson", "softprob", "dart", "logistic-regression", "quantiles"])
def test_a_model_without_trees_predicts_its_base_score_without_a_warning(kind: str) -> None:
    untrained = train(kind, rounds=0)
    with capture_logs() as logs:
        booster = XGBooster(xgboost.Booster(model_file=untrained.save_raw("ubj")))
    assert same_bits(booster.score(rows(10)).values, predict(untrained, rows(10)))
    assert booster.path == COMPILED
    assert logs == []


def test_a_matrix_in_another_memory_layout_has_the_same_scores() -> None:
    matrix = rows(50)
    expected = predict(train("logistic"), matrix)
    frozen = matrix.copy()
    frozen.flags.writeable = False
    for other in (np.asfortranarray(matrix), frozen, np.repeat(matrix, 2, axis=0)[::2]):
        assert same_bits(loaded("logistic").score(other).values, expected)


@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_a_matrix_of_the_wrong_width_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError, match="4 columns for a model of 5"):
        loaded(kind).score(np.zeros((3, 4), np.float32))


def test_rows_to_try_lie_on_and_next_to_thresholds() -> None:
    learner = ubjson.read(train("categorical").save_raw("ubj"))["learner"]
    forest = flatten(learner, COLUMNS, 1)
    tried = np.concatenate(list(rows_to_try(forest, COLUMNS)))
    assert len(tried) >= 10_000
    assert np.isnan(tried[:, forest.features]).any(axis=0).all()
    for tree in learner["gradient_booster"]["model"]["trees"]:
        split = (tree["left_children"] != -1) & (tree["split_type"] == 0)
        for feature, threshold in zip(tree["split_indices"][split], tree["split_conditions"][split], strict=True):
            for value in (
                threshold,
                np.nextafter(threshold, np.float32(9e9)),
                np.nextafter(threshold, np.float32(-9e9)),
            ):
                assert (tried[:, feature] == value).any()
    assert set(range(42)) <= set(tried[:, 1].tolist())  # of beta's 40 categories, and two that nobody saw
    assert {-1.0, 2.0**24} <= set(tried[:, 2].tolist())


Change = Callable[[dict[str, Any]], None]


def tree_of(learner: dict[str, Any], number: int = 0) -> dict[str, Any]:
    tree: dict[str, Any] = learner["gradient_booster"]["model"]["trees"][number]
    return tree


def circle(learner: dict[str, Any]) -> None:
    tree_of(learner)["left_children"][1], tree_of(learner)["right_children"][1] = 1, 2


def shared_children(learner: dict[str, Any]) -> None:
    tree = tree_of(learner, 3)
    tree["left_children"][2], tree["right_children"][2] = tree["left_children"][1], tree["right_children"][1]


def no_node(learner: dict[str, Any]) -> None:
    tree_of(learner)["left_children"][0] = 10**8


def negative_node(learner: dict[str, Any]) -> None:
    tree_of(learner)["left_children"][0] = -7


def no_feature(learner: dict[str, Any]) -> None:
    tree_of(learner)["split_indices"][0] = COLUMNS


def no_output(learner: dict[str, Any]) -> None:
    learner["gradient_booster"]["model"]["tree_info"][0] = 3


def apart(learner: dict[str, Any]) -> None:
    tree = tree_of(learner)
    tree["left_children"][0], tree["right_children"][0] = tree["right_children"][0], tree["left_children"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (circle, "two branches of a tree lead to the same node"),
        (shared_children, "two branches of a tree lead to the same node"),
        (no_node, "a split leads to a node that does not exist"),
        (negative_node, "a split leads to a node that does not exist"),
        (no_feature, "a split reads feature 5 of 5"),
        (no_output, "an output that is not one of its 1"),
        (apart, "tree 0, node 0: its children are not side by side"),
    ],
)
def test_a_damaged_tree_is_found_before_xgboost_loads_it(
    change: Change, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "check_loads", lambda _: pytest.fail("XGBoost has seen it"))
    file = tmp_path / "model.json"
    file.write_bytes(edited(train("logistic"), change))
    with pytest.raises(Misconfigured, match=said):
        load_booster(file)


def test_a_file_in_an_unknown_form_is_checked_after_xgboost_has_loaded_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_check_file", lambda *_: False)
    file = tmp_path / "model.json"
    file.write_bytes(edited(train("stumps"), apart))  # which XGBoost loads, and scores
    with pytest.raises(Misconfigured, match="its children are not side by side"):
        load_booster(file)


@pytest.mark.parametrize("value", ["x", None, []])
@pytest.mark.parametrize("part", ["gradient_booster", "tree_param"])
def test_a_part_of_another_kind_is_a_problem_of_the_file(part: str, value: object, tmp_path: Path) -> None:
    def change(learner: dict[str, Any]) -> None:
        place = learner if part in learner else tree_of(learner)
        place[part] = value

    file = tmp_path / "model.json"
    file.write_bytes(edited(train("stumps"), change))
    with pytest.raises(Misconfigured, match=r"model\.json: is not a usable model: "):
        load_booster(file)


def not_finite(learner: dict[str, Any]) -> None:
    tree_of(learner)["split_conditions"][0] = 1e39


def test_a_sound_model_that_cannot_be_compiled_is_left_to_the_booster(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(edited(train("stumps"), not_finite))
    booster = load_booster(file)
    assert booster.path == "booster: it has thresholds that are not finite"
    matrix = rows(100)
    assert same_bits(booster.score(matrix).values, predict(xgboost.Booster(model_file=file), matrix))


@pytest.mark.parametrize("wrong", ["value", "shape"])
def test_compiled_trees_that_disagree_are_not_used_and_this_is_logged(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Ensemble):
        def predict(self, matrix: Rows) -> Rows:
            scores = predict(train("logistic"), matrix)
            if wrong == "shape":
                return scores.reshape(-1, 1)
            scores[-1] = np.nextafter(scores[-1], np.float32(2))
            return scores

    monkeypatch.setattr(agreement, "Ensemble", Wrong)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    with capture_logs() as logs:
        booster = XGBooster(xgboost.Booster(model_file=train("logistic").save_raw()))
    assert booster.path.startswith("booster: the compiled trees disagree with the booster: ")
    assert [line["log_level"] for line in logs] == ["warning"]
    matrix = rows(300)
    assert same_bits(booster.score(matrix).values, predict(train("logistic"), matrix))


def test_margins_that_no_row_reaches_are_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Ensemble):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            self.link = lambda margins: np.clip(margins[:, 0], 0, 1)

        def predict(self, matrix: Rows) -> Rows:
            return predict(train("logistic"), matrix)

    monkeypatch.setattr(agreement, "Ensemble", Wrong)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    booster = XGBooster(xgboost.Booster(model_file=train("logistic").save_raw()))
    assert "disagree" in booster.path


def test_rows_given_to_confirm_are_compared_with_the_booster_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Ensemble):
        def predict(self, matrix: Rows) -> Rows:
            scores = predict(train("squarederror"), matrix)
            scores[matrix[:, 0] == np.float32(0.625)] = 0.5  # which none of the rows that are tried has
            return scores

    monkeypatch.setattr(agreement, "Ensemble", Wrong)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    booster = XGBooster(xgboost.Booster(model_file=train("squarederror").save_raw()))
    matrix = rows(3)
    booster.confirm(matrix)
    assert booster.path == "compiled"
    matrix[1, 0] = 0.625
    with capture_logs() as logs:
        booster.confirm(matrix)
    assert "disagree with the booster: 1 of 3 numbers differ" in booster.path
    assert booster.ensemble is None
    assert [line["log_level"] for line in logs] == ["warning"]
    assert same_bits(booster.score(matrix).values, predict(train("squarederror"), matrix))


@pytest.mark.parametrize("form", [{"in": "another form"}, [], None])
def test_a_model_saved_in_an_unknown_form_is_left_to_the_booster(form: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ubjson, "read", lambda _: {"learner": form})
    booster = XGBooster(xgboost.Booster(model_file=train("logistic").save_raw()))
    assert booster.path.startswith("booster: its trees are saved in an unknown form")
    assert same_bits(booster.score(rows(10)).values, predict(train("logistic"), rows(10)))


EDGES = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 0.1]
finite = st.one_of(st.sampled_from(EDGES), st.floats(width=32, allow_nan=False, allow_infinity=False))
small = st.floats(-100, 100, width=32)


@st.composite
def trees(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A tree of any shape; even features are numbers, odd ones categories."""
    left, right, parents = [-1], [-1], [2**31 - 1]
    feature, default, by_category, value = [0], [0], [0], [0.0]
    nodes: list[int] = []
    sizes: list[int] = []
    categories: list[int] = []
    for at in range(draw(st.integers(0, 12))):
        if at >= len(left):
            break
        for child in (left, right):
            child[at] = len(parents)
            parents.append(at)
        for links in (left, right):
            links += [-1, -1]
        for numbers in (feature, default, by_category):
            numbers += [0, 0]
        value += [0.0, 0.0]
        feature[at], default[at] = draw(st.integers(0, COLUMNS - 1)), draw(st.integers(0, 1))
        by_category[at], value[at] = feature[at] % 2, draw(finite)
        if by_category[at]:
            nodes.append(at)
            chosen = draw(st.sets(st.one_of(st.integers(0, 5), st.integers(0, 70)), min_size=1, max_size=9))
            sizes.append(len(chosen))
            categories += sorted(chosen)
    count = len(left)
    for at in range(count):
        if left[at] == -1:
            value[at] = draw(small)
    return {
        "base_weights": [0.0] * count,
        "categories": categories,
        "categories_nodes": nodes,
        "categories_segments": [sum(sizes[:number]) for number in range(len(sizes))],
        "categories_sizes": sizes,
        "default_left": default,
        "id": number,
        "left_children": left,
        "loss_changes": [0.0] * count,
        "parents": parents,
        "right_children": right,
        "split_conditions": value,
        "split_indices": feature,
        "split_type": by_category,
        "sum_hessian": [0.0] * count,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(COLUMNS),
            "num_nodes": str(count),
            "size_leaf_vector": "1",
        },
    }


@pytest.mark.prove
@settings(max_examples=50)
@given(st.data(), st.sampled_from(["squarederror", "dart", "quantiles"]))
def test_trees_of_any_shape_score_as_the_booster_does(data: st.DataObject, kind: str) -> None:
    def grow(learner: dict[str, Any]) -> None:
        model = model_of(learner)
        model["trees"] = [data.draw(trees(number)) for number in range(len(model["trees"]))]

    booster = xgboost.Booster(model_file=bytearray(edited(train(kind), grow)))
    ours = XGBooster(booster)
    assert ours.path == COMPILED
    forest = flatten(ubjson.read(booster.save_raw("ubj"))["learner"], COLUMNS, ours.classes)
    matrix = np.concatenate(list(rows_to_try(forest, COLUMNS)))[-1000:]
    theirs = predict(booster, matrix)
    for size in (1, 7, 1000):
        assert same_bits(ours.score(matrix[:size]).values, theirs[:size])


CATEGORICAL_KINDS = sorted(filter(is_categorical, KINDS))
NUMERIC_KINDS = sorted(set(KINDS) - set(CATEGORICAL_KINDS))
PARAMETERS = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**16)},
    optional={
        "max_depth": st.integers(1, 9),
        "eta": st.sampled_from([0.01, 0.3, 2]),
        "max_bin": st.integers(2, 300),
        "subsample": st.sampled_from([0.3, 0.7]),
        "colsample_bynode": st.sampled_from([0.3, 0.7]),
        "min_child_weight": st.integers(0, 20),
        "num_parallel_tree": st.integers(1, 3),
        "base_score": st.sampled_from([0.1, 0.77]),
        "max_cat_to_onehot": st.integers(1, 50),
        "rate_drop": st.sampled_from([0.1, 0.5, 1]),
    },
)


@settings(max_examples=40)
@given(st.one_of(st.sampled_from(NUMERIC_KINDS), st.sampled_from(CATEGORICAL_KINDS)), PARAMETERS, st.integers(1, 12))
def test_any_trained_booster_scores_as_predict_does(kind: str, parameters: dict[str, Any], rounds: int) -> None:
    booster = grow(kind, rounds, parameters)
    ours = XGBooster(xgboost.Booster(model_file=booster.save_raw("ubj")))
    assert ours.path == (NOT_COVERED.get(kind, COMPILED) if COMPILES or kind != "aft" else COMPILED)
    matrix = rows(700, seed=parameters["seed"] + 1, categorical=is_categorical(kind))
    theirs = predict(booster, matrix)
    for size in (1, 33, 700):
        assert same_bits(ours.score(matrix[:size]).values, theirs[:size])


def test_the_uncompiled_kernel_returns_the_same_scores() -> None:
    booster = train("quantiles")
    learner = ubjson.read(booster.save_raw("ubj"))["learner"]
    base = np.array(json.loads(learner["learner_model_param"]["base_score"]), np.float32)
    ensemble = Ensemble(flatten(learner, COLUMNS, 3), base, "reg:quantileerror")
    assert same_bits(ensemble.predict(rows(5)), predict(booster, rows(5)))
