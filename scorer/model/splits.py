"""The thresholds at which a model's trees divide each column: they tell what its values were in training."""

import numpy as np

from scorer.model.nodes import Document, read_nodes, walk

Thresholds = tuple[float, ...]
_EDGE = 1e-4  # how far from a whole number XGBoost puts the ends of a column, to divide missing values from all others


def read_splits(learner: Document, columns: int) -> list[Thresholds]:
    """Return the thresholds of each column, ascending; none for a model without trees, or in an unknown form.

    A threshold at the end of a column, which only divides missing values from all others, is left out.

    Args:
        learner: the learner of the saved model, as `ubjson.read` returns it.
        columns: how many features a row has.
    """
    try:
        booster = learner["gradient_booster"]
        nodes = read_nodes(booster.get("gbtree", booster)["model"]["trees"])
        order, _ = walk(nodes, columns)
    except (LookupError, TypeError, ValueError, AttributeError):
        return [()] * columns
    split = order[~nodes.leaf[order] & ~nodes.by_category[order]]
    features, values = nodes.feature[split], nodes.value[split].astype(np.float64)
    over = values - np.round(values)
    inner = np.isfinite(values) & ((over == 0) | (np.abs(over) > _EDGE))
    return [tuple(np.unique(values[inner & (features == column)]).tolist()) for column in range(columns)]
