"""Compiles a booster's trees, and uses them only if they agree with the booster bit for bit.

The trees score rows that reach their edge cases (`scorer.model.trees.trials`). Margins that these rows may not reach
are tested, too.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from scorer.model.saved.nodes import grown_part
from scorer.model.trees.forest import BLOCK, NotCovered, flatten, require_compiler
from scorer.model.trees.trees import Ensemble
from scorer.model.trees.trials import rows_to_try

Rows = NDArray[np.float32]

_MOST = np.finfo(np.float32).max


class Disagrees(NotCovered):
    """The compiled trees and the booster gave different scores, which is a bug of ours."""


def compile_trees(booster: xgboost.Booster, learner: dict[str, Any], predict: Callable[[Rows], Rows]) -> Ensemble:
    """Compile the trees of a booster.

    Args:
        booster: a booster of any kind.
        learner: the learner of the saved booster.
        predict: scores rows exactly as `booster.predict` does.

    Raises:
        Damaged: if a tree points to a missing node, feature or output: do not score with the booster either.
        NotCovered: if this kind of model is not compiled.
        Disagrees: if the compiled trees give other scores.
    """
    if booster.num_features() * 2 > np.iinfo(np.int32).max // BLOCK:
        raise NotCovered("it has too many features for a block of rows")
    stump = _without_trees(learner)
    base = _base_of(stump)
    forest = flatten(learner, booster.num_features(), len(base))
    require_compiler()
    ensemble = Ensemble(forest, base, learner["objective"]["name"])
    for rows in rows_to_try(forest, booster.num_features()):
        compare(ensemble.predict(rows), predict(rows))
    margins = _margins_to_try(len(base))
    bare = xgboost.DMatrix(np.zeros((len(margins), 1), np.float32), base_margin=margins)
    compare(ensemble.link(margins.copy()), stump.predict(bare))
    return ensemble


def base_margins(learner: dict[str, Any]) -> Rows:
    """Return the margins [outputs] that a saved model gives without any tree."""
    return _base_of(_without_trees(learner))


def _margins_to_try(outputs: int) -> Rows:
    rng = np.random.default_rng(0)
    near, far = np.linspace(-20, 20, 2**14), np.linspace(-120, 120, 2**12)
    margins = np.concatenate([near, far, [0, -0.0, 88.7, -88.7, 1e-45, _MOST, -_MOST]]).astype(np.float32)
    return np.stack([rng.permutation(margins) for _ in range(outputs)], axis=1)


def compare(ours: Rows, theirs: Rows) -> None:
    """Make sure that scores are equal bit for bit; any NaN equals any other.

    Raises:
        Disagrees: they are not equal.
    """
    if ours.shape != theirs.shape:
        raise Disagrees(f"the compiled trees disagree with the booster: shape {ours.shape} instead of {theirs.shape}")
    different = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(ours) & np.isnan(theirs))
    if different.any():
        first = np.flatnonzero(different)[0]
        raise Disagrees(
            f"the compiled trees disagree with the booster: {different.sum()} of {ours.size} numbers differ, such as "
            f"{ours.flat[first]!r} instead of {theirs.flat[first]!r}"
        )


def _base_of(stump: xgboost.Booster) -> Rows:
    base: Rows = stump.predict(xgboost.DMatrix(np.zeros((1, 1), np.float32)), output_margin=True).reshape(-1)
    return base


def _without_trees(learner: dict[str, Any]) -> xgboost.Booster:
    """Return the same model with no trees and one feature: it gives base margins, and turns margins into scores."""
    parameters = learner["learner_model_param"] | {"num_feature": "1"}
    if grown_part(learner).get("model", {}).get("trees"):
        # XGBoost treats a model without trees that boosts from an average as untrained, and its base score as a margin.
        # That is right only if the original has no trees either.
        parameters["boost_from_average"] = "0"
    model = {
        "gbtree_model_param": {"num_trees": "0", "num_parallel_tree": "1"},
        "trees": [],
        "tree_info": [],
        "iteration_indptr": [0],
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
    }
    bare = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"name": "gbtree", "model": model},
        "learner_model_param": parameters,
        "objective": learner["objective"],
    }
    document = {"version": [int(part) for part in xgboost.__version__.split(".")[:3]], "learner": bare}
    text = json.dumps(document, default=np.ndarray.tolist)  # ranking models have arrays of position biases
    return xgboost.Booster({"nthread": 1}, model_file=bytearray(text.encode()))
