"""The trees of another library's model, and how their leaves become scores."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.model.learned.categories import Categories
from scorer.model.learned.rounds import Boosted
from scorer.model.learned.splits import Thresholds
from scorer.model.saved.nodes import Nodes, Places

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """The trees of a model. A missing value and a category are treated as `scorer.model.trees.forest` does.

    library:    the name of the library, for messages.
    columns:    how many features a row has.
    names:      the features' names; None if it has none.
    types:      "c" for a categorical feature, "float" for another.
    categories: the categories of each feature; empty if they are not kept.
    objective:  the name of its objective.
    kind:       how the trees were grown, such as gbdt.
    rounds:     which rounds score.
    nodes:      the nodes of all trees; `value` has the float32 threshold of a split, see `smallest_right`.
    leaves:     [nodes], the value of each leaf.
    groups:     [trees], the output that each tree adds to.
    base:       [outputs], to which the leaves are added.
    divisor:    what the sums are divided by.
    link:       turns margins [rows, outputs] into scores.
    cover:      [nodes], the weight of the training rows that reached a node; None if it is not kept.
    gains:      [columns], the sum of the gains of the splits.
    thresholds: the thresholds of each column, ascending.
    zeros:      the columns in which a zero is a missing value.
    """

    library: str
    columns: int
    names: tuple[str, ...] | None
    types: tuple[str, ...]
    categories: tuple[Categories, ...]
    objective: str
    kind: str
    rounds: Boosted
    nodes: Nodes
    leaves: Doubles
    groups: Places
    base: Doubles
    divisor: int
    link: Callable[[Doubles], Doubles]
    cover: Doubles | None
    gains: Doubles
    thresholds: list[Thresholds]
    zeros: Places


def smallest_right(thresholds: Doubles, *, inclusive: bool = True) -> NDArray[np.float32]:
    """Return the smallest float32 that goes right at each split.

    Columns are float32, so comparing them with it is exact: a float64 threshold tells no more of them apart.

    Args:
        thresholds: the thresholds of splits, none of them NaN; smaller values go left.
        inclusive: whether a value at the threshold goes left.
    """
    with np.errstate(over="ignore"):  # a threshold beyond float32 is above or below every value
        nearest = thresholds.astype(np.float32)
        above = np.nextafter(nearest, np.float32(np.inf))
    return np.where(nearest > thresholds if inclusive else nearest >= thresholds, nearest, above)
