"""Reads the JSON that treelite's `dump_as_json` writes for a model of scikit-learn. Nothing in it is run."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.model.imported import links
from scorer.model.imported.grown import Doubles, Grown, smallest_right
from scorer.model.learned.rounds import Rounds, choose
from scorer.model.learned.splits import Thresholds, by_column
from scorer.model.saved.nodes import NO_VECTORS, Damaged, Nodes, Unsupported

LIBRARY = "treelite"
SAVE = "treelite.sklearn.import_model(model).dump_as_json()"
# treelite writes nothing for scikit-learn's infinite threshold, which divides missing values from all others.
_INFINITE = re.compile(rb'("threshold":\s*)(?=,)')
_MOST_COLUMNS, _MOST_OUTPUTS = 1 << 24, 10_000
_TASKS = {"kBinaryClf": "binary", "kMultiClf": "multiclass", "kRegressor": "regression"}
_OPERATORS = {"<=": True, "<": False}  # whether a value at the threshold goes left

Document = Mapping[str, Any]


def read(data: bytes, rounds: Rounds | None) -> Grown:
    """Read a model.

    Args:
        data: the file.
        rounds: which rounds to score with; a random forest has one tree in each.

    Raises:
        Damaged: if the file contradicts itself.
        Unsupported: if the model is of a kind that is not scored here.
        Misconfigured: if the model does not have these rounds.
    """
    try:
        return _read(json.loads(_INFINITE.sub(rb"\1Infinity", data)), rounds)
    except (LookupError, TypeError, AttributeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"it is not in the form that treelite writes: {error!r}") from error


def _read(model: Document, rounds: Rounds | None) -> Grown:
    columns, classes = _whole(model["num_feature"], "num_feature", _MOST_COLUMNS), model["num_class"]
    if model["num_target"] != 1 or len(classes) != 1:
        raise Unsupported(f"it has {model['num_target']} targets")
    if {model["threshold_type"], model["leaf_output_type"]} != {"float64"}:
        raise Unsupported("its numbers are float32: use the file that its own library saves")
    if model["task_type"] not in _TASKS:
        raise Unsupported(f"its task is {model['task_type']!r}; known are {', '.join(_TASKS)}")
    outputs, vectors = _whole(classes[0], "num_class", _MOST_OUTPUTS), model["leaf_vector_shape"] != [1, 1]
    per_round = 1 if vectors else outputs
    trees, averaged = model["trees"], model["average_tree_output"] is True
    if len(trees) % per_round or (averaged and per_round != 1):
        raise Damaged(f"its {len(trees)} trees are not whole rounds of {per_round}")
    boosted = choose(len(trees) // per_round, None, rounds)
    wanted = range(outputs)
    if vectors and outputs == 2:  # noqa: PLR2004  of two classes, the score is the probability of the second
        wanted = range(1, 2)
    base = _numbers(model["base_scores"], "base_scores")[list(wanted)]
    grown = _Trees(trees[: boosted.used * per_round], columns, wanted if vectors else None)
    groups = grown.output if vectors else _numbers(model["class_id"], "class_id", "i")[: len(grown.starts)]
    if ((groups < 0) | (groups >= len(base))).any():
        raise Damaged(f"a tree adds to an output that is not one of its {len(base)}")
    task = _TASKS[model["task_type"]]
    return Grown(
        library=LIBRARY,
        columns=columns,
        names=None,
        types=("float",) * columns,
        categories=(),
        objective="binary" if task == "multiclass" and len(base) == 1 else task,
        kind="random forest" if averaged else "boosted trees",
        rounds=boosted,
        nodes=grown.nodes,
        leaves=grown.leaves,
        groups=groups,
        base=base,
        divisor=max(1, boosted.used) if averaged else 1,
        link=_link(model),
        cover=grown.cover("sum_hess", "data_count"),
        gains=grown.gains(),
        thresholds=grown.thresholds(),
        zeros=np.zeros(0, np.int64),
    )


class _Trees:
    """The nodes of all trees; a tree whose leaves are vectors becomes one for each wanted output.

    Args:
        trees: the trees in the file.
        columns: how many features a row has.
        wanted: the outputs of vectors; None if a leaf has one number.
    """

    def __init__(self, trees: Sequence[Document], columns: int, wanted: range | None) -> None:
        copies = 1 if wanted is None else len(wanted)
        self._trees, self._copies, self._columns = trees, copies, columns
        self.output = np.tile(np.arange(copies), len(trees))
        sizes = np.repeat([len(tree["nodes"]) for tree in trees], copies).astype(np.int64)
        if (sizes == 0).any():
            raise Damaged("a tree has no node")
        self.starts = np.cumsum(sizes) - sizes
        tree = np.repeat(np.arange(len(sizes)), sizes)
        if any(node.get("node_type", "numerical_test_node") != "numerical_test_node" for node in self._nodes()):
            raise Unsupported("it has splits by category: train with the categories as numbers")
        number = self._of_nodes("node_id", "i", -1)
        if (number + self.starts[tree] != np.arange(len(tree))).any():
            raise Damaged("the nodes of a tree are not numbered from 0")
        left, right = (self._of_nodes(name, "i", -1) for name in ("left_child", "right_child"))
        self._split = np.array([*self._repeated("leaf_value" not in node for node in self._nodes())], np.bool_)
        self._feature = self._of_nodes("split_feature_id", "i", 0)
        self._threshold = self._of_nodes("threshold", "f", 0.0)
        if np.isnan(self._threshold[self._split]).any():
            raise Damaged("a threshold is not a number")
        self.leaves = self._values(wanted)
        self.nodes = Nodes(
            starts=self.starts,
            ends=self.starts + sizes,
            tree=tree,
            left=np.where(self._split, left, -1) + self.starts[tree],
            right=np.where(self._split, right, -1) + self.starts[tree],
            leaf=~self._split,
            feature=self._feature,
            value=self._smallest_right(),
            default_left=self._of_nodes("default_left", "b", 0) > 0,
            by_category=np.zeros(len(tree), np.bool_),
            member=np.zeros(0, np.int64),
            category=np.zeros(0, np.int64),
            vectors=np.full(len(sizes), NO_VECTORS),
        )

    def cover(self, *names: str) -> Doubles | None:
        """Return the first of some fields that every node has; None if none is."""
        for name in names:
            if all(name in node for node in self._nodes()):
                return self._of_nodes(name, "f", 0.0)
        return None

    def gains(self) -> Doubles:
        """Return the sum of the gains of the splits on each column."""
        gain, split = self._of_nodes("gain", "f", 0.0), self._split
        if ((self._feature[split] < 0) | (self._feature[split] >= self._columns)).any():
            raise Damaged(f"a split reads a feature that is not one of its {self._columns}")
        return np.bincount(self._feature[split], gain[split], self._columns).astype(np.float64)

    def thresholds(self) -> list[Thresholds]:
        """Return the thresholds of each column, ascending."""
        finite = self._split & np.isfinite(self._threshold)
        return by_column(self._feature[finite], self._threshold[finite], self._columns)

    def _nodes(self) -> Iterator[Document]:
        return chain.from_iterable(tree["nodes"] for tree in self._trees)

    def _repeated(self, values: Iterator[Any]) -> Iterator[Any]:
        """Yield a value of each node, once for each copy of its tree."""
        for tree in self._trees:
            own = [next(values) for _ in tree["nodes"]]
            for _ in range(self._copies):
                yield from own

    def _of_nodes(self, name: str, kind: str, otherwise: float) -> NDArray[Any]:
        return _numbers([*self._repeated(node.get(name, otherwise) for node in self._nodes())], name, kind)

    def _values(self, wanted: range | None) -> Doubles:
        """Return the value of each leaf, 0 for a split."""
        if wanted is None:
            return self._of_nodes("leaf_value", "f", 0.0)
        found = [
            node["leaf_value"][output] if "leaf_value" in node else 0.0
            for tree in self._trees
            for output in wanted
            for node in tree["nodes"]
        ]
        return _numbers(found, "leaf_value")

    def _smallest_right(self) -> NDArray[np.float32]:
        value: NDArray[np.float32] = np.zeros(len(self._split), np.float32)
        operators = [node.get("comparison_op", "<=") for node in self._nodes()]
        if unknown := set(operators) - set(_OPERATORS):
            raise Unsupported(f"it compares with {', '.join(sorted(map(str, unknown)))}")
        inclusive = np.array([*self._repeated(_OPERATORS[each] for each in operators)], np.bool_)
        for one in (True, False):
            chosen = self._split & (inclusive == one)
            value[chosen] = smallest_right(self._threshold[chosen], inclusive=one)
        with np.errstate(over="ignore"):
            value[~self._split] = self.leaves[~self._split]
        return value


def _link(model: Document) -> links.Link:
    """Return how margins become scores.

    Raises:
        Unsupported: it is unknown.
    """
    match model["postprocessor"]:
        case "identity" | "identity_multiclass":
            return links.same
        case "sigmoid":
            return links.logistic(_steepness(model["sigmoid_alpha"]))
        case "exponential":
            return links.exponential
        case "softmax":
            return links.softmax
        case other:
            raise Unsupported(f"its postprocessor is {other!r}")


def _steepness(value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < np.inf:
        raise Damaged("sigmoid_alpha is no positive number")
    return float(value)


def _whole(value: object, name: str, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise Damaged(f"{name} is {value!r}, expected a whole number from 1 to {most:,}")
    return value


def _numbers(values: Sequence[Any], name: str, kind: str = "f") -> NDArray[Any]:
    """Return numbers as an array: of whole numbers ("i"), flags ("b") or any finite numbers ("f").

    Raises:
        Damaged: if they are something else.
    """
    try:
        found = np.array(values)
    except (ValueError, OverflowError) as error:  # lists of different lengths
        raise Damaged(f"{name} is not a list of numbers") from error
    if found.ndim != 1 or (found.size and found.dtype.kind not in {"f": "iuf", "i": "i", "b": "bi"}[kind]):
        raise Damaged(f"{name} is not a list of {'numbers' if kind == 'f' else 'whole numbers'}")
    if kind == "f" and name != "threshold" and not np.isfinite(found).all():
        raise Damaged(f"{name} has a number that is not finite")
    return found.astype(np.float64 if kind == "f" else np.int64)
