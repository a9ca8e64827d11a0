"""The thresholds at which a model's trees divide each column, which show the values that it had in training."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.model.saved.nodes import Document, Places, grown_part, read_nodes, walk

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
        nodes = read_nodes(grown_part(learner)["model"]["trees"])
        order, _ = walk(nodes, columns)
    except (LookupError, TypeError, ValueError, AttributeError):
        return [()] * columns
    split = order[~nodes.leaf[order] & ~nodes.by_category[order]]
    features, values = nodes.feature[split], nodes.value[split].astype(np.float64)
    over = values - np.round(values)
    inner = np.isfinite(values) & ((over == 0) | (np.abs(over) > _EDGE))
    return by_column(features[inner], values[inner], columns)


def by_column(features: Places, values: NDArray[np.floating[Any]], columns: int) -> list[Thresholds]:
    """Return the distinct thresholds of each column, ascending.

    Args:
        features: [splits], the column that each reads; one that is not below `columns`, or below 0, is left out.
        values: [splits], their thresholds.
        columns: how many columns there are.
    """
    order = np.argsort(features, kind="stable")
    ends = np.searchsorted(features[order], np.arange(columns + 1))
    return [tuple(np.unique(values[order[start:end]]).tolist()) for start, end in pairwise(ends)]
