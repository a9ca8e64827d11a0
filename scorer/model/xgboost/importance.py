"""How much each column did in training: the gain of the splits on it."""

import numpy as np
import xgboost
from numpy.typing import NDArray


def total_gains(booster: xgboost.Booster, columns: int) -> NDArray[np.float64]:
    """Return the sum of the gains of all splits on each column [columns]; zeros for a model without trees.

    Args:
        booster: a booster of any kind.
        columns: how many features a row has.
    """
    names = booster.feature_names or [f"f{column}" for column in range(columns)]
    try:
        found = booster.get_score(importance_type="total_gain")
    except xgboost.core.XGBoostError:  # gblinear has weights instead of splits
        return np.zeros(columns)
    return np.array([found.get(name, 0.0) for name in names], np.float64)
