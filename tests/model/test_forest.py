"""The layout of a block of rows, and what a forest says of its model."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from scorer.model.saved import ubjson
from scorer.model.trees.forest import BLOCK, Columns, Forest, fill, flatten

from .boosters import COLUMNS, is_categorical, model_of, rows, train

KINDS = ["logistic", "dart", "lossguide", "categorical", "stumps", "leaves"]


def learner_of(kind: str) -> Any:
    return ubjson.read(train(kind).save_raw("ubj"))["learner"]


def forest_of(kind: str) -> Forest:
    return flatten(learner_of(kind), COLUMNS, 1)


def trees_of(kind: str) -> list[Any]:
    trees: list[Any] = model_of(learner_of(kind))["trees"]
    return trees


@pytest.mark.parametrize(("features", "categorical"), [(0, 0), (3, 0), (3, 2)])
def test_each_column_of_a_block_has_one_meaning(features: int, categorical: int) -> None:
    columns = Columns.of(features, categorical)
    sizes = {"low": features, "high": features, "nan": 1, "left": categorical, "right": categorical}
    taken = [getattr(columns, name) + place for name, size in sizes.items() for place in range(size)]
    assert sorted(taken) == list(range(columns.end))


@pytest.mark.parametrize("kind", KINDS)
def test_a_forest_knows_the_thresholds_of_each_feature(kind: str) -> None:
    expected: dict[int, set[float]] = defaultdict(set)
    for tree in trees_of(kind):
        for at in np.flatnonzero(np.array(tree["left_children"]) >= 0):
            feature = int(tree["split_indices"][at])
            expected[feature] |= set() if tree["split_type"][at] else {float(tree["split_conditions"][at])}
    forest = forest_of(kind)
    found = {int(feature): each.tolist() for feature, each in zip(forest.features, forest.thresholds(), strict=True)}
    assert found == {feature: sorted(values) for feature, values in expected.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_value_takes_the_default_direction_of_the_split(kind: str) -> None:
    """Every node is given a row that lacks its feature: as the column has it, the row goes where the model says."""
    forest, missing = forest_of(kind), np.full((1, COLUMNS), np.nan, np.float32)
    block = np.empty(forest.columns.end * BLOCK, np.float32)
    getattr(fill, "py_func", fill)(missing, 0, 1, forest, block)
    goes_left = 0
    for node in range(len(forest.first)):
        here = block[forest.column[node]]
        if forest.first[node] >= 0:
            word = forest.words[forest.first[node] + (int(here) >> 5)]
            goes_left += not int(word) >> (int(here) & 31) & 1
        else:
            goes_left += not here >= forest.value[node]
    leaves = sum((np.array(tree["left_children"]) < 0).sum() for tree in trees_of(kind))
    defaults = sum(
        (np.array(tree["default_left"])[np.array(tree["left_children"]) >= 0] != 0).sum() for tree in trees_of(kind)
    )
    assert goes_left == leaves + defaults


def test_a_block_holds_each_value_and_each_category_code_twice() -> None:
    assert is_categorical("categorical")
    forest, some = forest_of("categorical"), rows(BLOCK + 7, categorical=True)
    block = np.empty(forest.columns.end * BLOCK, np.float32)
    getattr(fill, "py_func", fill)(some, BLOCK, 7, forest, block)
    columns, laid_out = forest.columns, block.reshape(-1, BLOCK)[:, :7]
    there = ~np.isnan(some[BLOCK:])
    for place, feature in enumerate(forest.features):
        for first in (columns.low, columns.high):
            assert (laid_out[first + place] == some[BLOCK:, feature])[there[:, feature]].all()
    for place, (index, count) in enumerate(forest.categorical.T):
        feature = forest.features[index]
        value = some[BLOCK:, feature]
        code = np.where(value < count, value, count)
        for first in (columns.left, columns.right):
            assert (laid_out[first + place] == code)[there[:, feature]].all()
    assert np.isnan(laid_out[columns.nan]).all()
