"""How a model's splits divided the rows of training is what XGBoost itself tells."""

import numpy as np
import pytest
import xgboost

from scorer.model.xgboost.booster import XGBooster
from tests.model.boosters import loaded, rows, train


@pytest.mark.parametrize("kind", ["stumps", "dart", "softprob", "categorical", "linear"])
def test_shares_are_those_of_the_covers(kind: str) -> None:
    booster, model = train(kind), loaded(kind)
    if kind == "linear":
        assert model.divisions() == []
        return
    nodes = booster.trees_to_dataframe().set_index("ID").to_dict("index")
    expected = []
    for row in nodes.values():
        if row["Feature"] != "Leaf" and row["Cover"] > 0:
            right = max(row["Yes"], row["No"], key=lambda node: int(node.split("-")[1]))
            expected.append(nodes[right]["Cover"] / row["Cover"])
    assert sorted(each.share for each in model.divisions()) == pytest.approx(sorted(expected), rel=1e-3)


def test_a_row_goes_the_way_that_the_path_says() -> None:
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.normal(size=600), rng.integers(0, 6, 600), rng.normal(size=600)])
    values[::7, 2] = np.nan
    label = values[:, 0] + np.isin(values[:, 1], [1, 4]) + np.nan_to_num(values[:, 2], nan=2.0)
    data = xgboost.DMatrix(values, label, feature_types=["q", "c", "q"], enable_categorical=True)
    booster = xgboost.train({"max_depth": 4, "nthread": 1, "max_cat_to_onehot": 2}, data, 1)
    divisions = XGBooster(booster).divisions()
    assert {each.ask.column for each in divisions} == {0, 1, 2}
    for each in divisions:
        here = np.ones(len(values), bool)
        for ask, right in each.path:
            here &= ask.right(values[:, ask.column]) == right
        assert each.ask.right(values[here, each.ask.column]).mean() == pytest.approx(each.share)


def test_logistic_rows_weigh_as_in_training() -> None:
    rng = np.random.default_rng(2)
    values = np.column_stack([rng.normal(size=900), rng.integers(0, 4, 900)])
    values[::9, 0] = np.nan
    label = np.nan_to_num(values[:, 0], nan=1.0) + 0.5 * values[:, 1] + rng.normal(0, 0.5, 900) > 2
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, xgboost.DMatrix(values, label), 30
    )
    model = XGBooster(booster)
    weights = model.weights(values.astype(np.float32), 20)
    assert weights is not None
    assert weights.shape == (20, 900)
    divisions = [each for each in model.divisions() if each.tree < 20]
    for each in divisions:
        here = np.ones(len(values), bool)
        for ask, right in each.path:
            here &= ask.right(values[:, ask.column]) == right
        went = each.ask.right(values[here, each.ask.column])
        assert np.average(went, weights=weights[each.tree, here]) == pytest.approx(each.share, abs=1e-4)
    assert max(each.tree for each in divisions) == 19


@pytest.mark.parametrize("kind", ["squarederror", "dart", "softprob", "linear"])
def test_other_rows_weigh_the_same_or_nobody_knows(kind: str) -> None:
    assert loaded(kind).weights(rows(5), 10) is None
