"""Models of scikit-learn, as treelite exports them: scores are scikit-learn's own, and damage is refused."""

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import treelite
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from scorer.errors import Misconfigured
from scorer.model import load_booster
from scorer.model.imported.booster import ImportedTrees

from .boosters import COLUMNS, COMPILES, Rows
from .test_lightgbm import ROOMY

FORESTS = {"max_depth": 8, "n_estimators": 12, "random_state": 1}
KINDS: dict[str, tuple[Any, dict[str, Any], bool]] = {  # the class, its parameters, whether equal bit for bit
    "random-forest": (RandomForestClassifier, FORESTS, False),
    "random-forest-regressor": (RandomForestRegressor, FORESTS, True),
    "extra-trees": (ExtraTreesClassifier, FORESTS, False),
    "extra-trees-regressor": (ExtraTreesRegressor, FORESTS, True),
    "boosting": (GradientBoostingClassifier, {"n_estimators": 12}, False),
    "boosting-regressor": (GradientBoostingRegressor, {"n_estimators": 12}, True),
    "histograms": (HistGradientBoostingClassifier, {"max_iter": 12}, False),
    "histograms-regressor": (HistGradientBoostingRegressor, {"max_iter": 12}, True),
    "histograms-poisson": (HistGradientBoostingRegressor, {"max_iter": 12, "loss": "poisson"}, False),
}


def rows(count: int, seed: int = 0, *, missing: bool = False) -> Rows:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, COLUMNS)).astype(np.float32)
    if missing:
        values[rng.random(values.shape) < 0.1] = np.nan
    return values


@cache
def fitted(kind: str, classes: int) -> tuple[Any, str]:
    """A model, and what treelite exports of it."""
    of, parameters, _ = KINDS[kind]
    values = rows(600, missing=kind.startswith("histograms"))
    signal = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1]) * np.nan_to_num(values[:, 2])
    labels = np.digitize(signal, [0.0, 1.0][: classes - 1]) if classes else np.exp(signal)
    model = of(**parameters).fit(values, labels)
    return model, treelite.sklearn.import_model(model).dump_as_json(pretty_print=False)


def predict(model: Any, values: Rows) -> NDArray[np.float64]:
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(values))
    found: NDArray[np.float64] = model.predict_proba(values)
    return found[:, 1] if found.shape[1] == 2 else found


@pytest.fixture
def load(tmp_path: Any) -> Callable[..., ImportedTrees]:
    def loaded(text: str | bytes, rounds: str | int | None = None) -> ImportedTrees:
        (tmp_path / "model.json").write_bytes(text.encode() if isinstance(text, str) else text)
        booster = load_booster(tmp_path / "model.json", rounds)
        assert isinstance(booster, ImportedTrees)
        return booster

    return loaded


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_scikit_learn(kind: str, classes: int, load: Callable[..., ImportedTrees]) -> None:
    regressor = not hasattr(KINDS[kind][0], "predict_proba")
    if regressor != (classes == 0):
        return
    model, text = fitted(kind, classes)
    values = rows(400, seed=2, missing=kind.startswith("histograms"))
    ours, expected = load(text), predict(model, values)
    found = ours.score(values).values
    assert found.shape == expected.shape
    if KINDS[kind][2]:
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes()
    else:  # scikit-learn has other formulas for the same function, and treelite divides the shares of classes again
        assert np.allclose(found, expected, rtol=1e-14, atol=1e-16)
    assert ours.score(values[:7]).values.tobytes() == found[:7].tobytes()
    assert ours.objective == {0: "regression", 2: "binary", 3: "multiclass"}[classes]
    if COMPILES:
        parts = ours.explainer(ROOMY).contributions(values)
        assert np.abs(parts.sum(axis=2) - ours.margins(values)).max() < 1e-5


def test_the_first_trees_of_a_forest_score_alone(load: Callable[..., ImportedTrees]) -> None:
    model, text = fitted("random-forest", 2)
    values = rows(50)
    first = np.mean([tree.predict_proba(values)[:, 1] for tree in model.estimators_[:5]], axis=0)
    assert np.abs(load(text, 5).score(values).values - first).max() < 1e-15


def test_pretty_json_is_the_same_model(load: Callable[..., ImportedTrees]) -> None:
    _, text = fitted("boosting", 2)
    values = rows(50)
    pretty = json.dumps(json.loads(text), indent=2)
    assert load(pretty).score(values).values.tobytes() == load(text).score(values).values.tobytes()


def _other(load: Callable[..., ImportedTrees], change: Callable[[dict[str, Any]], None]) -> str:
    document = json.loads(fitted("boosting", 2)[1])
    change(document)
    return _refusal(load, json.dumps(document))


def _refusal(load: Callable[..., ImportedTrees], text: str | bytes) -> str:
    try:
        load(text)
    except Misconfigured as error:
        (problem,) = error.problems
        assert "is not a usable model: " in problem.what
        return f"{problem.what}; {problem.expected}"
    return ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda model: model.update(postprocessor="novel"), "its postprocessor is 'novel'"),
        (lambda model: model.update(task_type="kRanking"), "its task is 'kRanking'"),
        (lambda model: model.update(threshold_type="float32"), "use the file that its own library saves"),
        (lambda model: model.update(num_target=2), "it has 2 targets"),
        (lambda model: model.update(num_feature=2), "a split reads a feature that is not one of its 2"),
        (lambda model: model.update(num_feature=10**12), "expected a whole number from 1"),
        (lambda model: model.update(class_id=[3] * 12), "an output that is not one of its 1"),
        (lambda model: model.pop("trees"), "not in the form that treelite writes: KeyError('trees')"),
        (lambda model: model["trees"][0].update(nodes=[]), "a tree has no node"),
        (lambda model: _node(model).update(left_child=0), "two branches of a tree lead to the same node"),
        (lambda model: _node(model).update(left_child=999), "a split leads to a node that does not exist"),
        (lambda model: _node(model).update(node_id=3), "not numbered from 0"),
        (lambda model: _node(model).update(threshold="x"), "threshold is not a list of numbers"),
        (lambda model: _node(model).update(threshold=float("nan")), "a threshold is not a number"),
        (lambda model: _node(model).update(left_child=1.5), "left_child is not a list of whole numbers"),
        (lambda model: _node(model).update(split_feature_id=2**70), "split_feature_id is not a list of whole"),
        (lambda model: _node(model).update(comparison_op=">"), "it compares with >"),
        (lambda model: _node(model).update(node_type="categorical_test_node"), "it has splits by category"),
    ],
)
def test_a_model_that_is_not_scored_is_refused_with_the_reason(
    change: Callable[[dict[str, Any]], None], why: str, load: Callable[..., ImportedTrees]
) -> None:
    said = _other(load, change)
    assert why in said
    assert "treelite.sklearn.import_model(model).dump_as_json()" in said


def _node(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["trees"][0]["nodes"][0]
    return found


def test_a_kind_of_forest_that_is_not_scored_is_refused_by_name(load: Callable[..., ImportedTrees]) -> None:
    model = treelite.sklearn.import_model(IsolationForest(n_estimators=3).fit(rows(100)))
    assert "kIsolationForest" in _refusal(load, model.dump_as_json())


def test_bytes_changed_at_random_are_refused_or_scored_and_never_crash(load: Callable[..., ImportedTrees]) -> None:
    model, values = fitted("random-forest", 3)[1].encode(), rows(20)
    draw, found = random.Random(5), {"refused": 0, "scored": 0}  # noqa: S311  seeded on purpose
    for _ in range(100):
        data = bytearray(model)
        for _ in range(draw.choice([1, 1, 3])):
            data[draw.randrange(20, len(data))] = draw.choice([draw.randrange(256), *b'0123456789-.e,[]{}"'])
        try:
            ours = load(bytes(data))
        except Misconfigured:
            found["refused"] += 1
        else:
            found["scored"] += 1
            if ours.columns == COLUMNS:
                ours.score(values)
    assert min(found.values()) > 10
