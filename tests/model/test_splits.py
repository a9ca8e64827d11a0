"""The thresholds of a model's columns are those in its trees."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import xgboost

from scorer.model import load_booster
from tests.model.boosters import loaded, train


@pytest.mark.parametrize("kind", ["binary", "dart", "classes", "categorical", "linear"])
def test_thresholds_are_those_of_the_trees(kind: str) -> None:
    kind = {"binary": "stumps", "classes": "softprob"}.get(kind, kind)
    booster, model = train(kind), loaded(kind)
    expected = defaultdict(set)
    for row in [] if kind == "linear" else booster.trees_to_dataframe().to_dict("records"):
        value = row["Split"]
        if row["Feature"] != "Leaf" and not np.isnan(value):
            expected[row["Feature"]].add(np.float64(np.float32(value)))
    assert model.names is not None
    for name, thresholds in zip(model.names, model.splits(), strict=True):
        assert list(thresholds) == sorted(set(thresholds))
        assert set(thresholds) == {value for value in expected[name] if not 0 < abs(value - round(value)) <= 1e-4}
    assert any(model.splits()) == (kind != "linear")


def test_a_threshold_that_only_divides_missing_values_is_left_out(tmp_path: Path) -> None:
    hour = np.tile([*range(24), np.nan], 40).astype(np.float32)
    data = xgboost.DMatrix(hour[:, None], np.isnan(hour), feature_names=["hour"])
    xgboost.train({"max_depth": 1, "nthread": 1, "base_score": 0.5}, data, 1).save_model(tmp_path / "m.json")
    (tree,) = json.loads((tmp_path / "m.json").read_text())["learner"]["gradient_booster"]["model"]["trees"]
    assert tree["split_conditions"][0] == pytest.approx(46.00001, abs=1e-6)
    assert load_booster(tmp_path / "m.json").splits() == [()]
