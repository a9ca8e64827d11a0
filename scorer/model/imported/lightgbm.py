"""Reads the text that LightGBM's `save_model` writes. Nothing in it is run, and every number is checked before use."""

import json
import re
from collections.abc import Sequence

import numpy as np

from scorer.model.imported import links
from scorer.model.imported.grown import Grown
from scorer.model.imported.lightgbm_trees import Lines, Trees, needed, number
from scorer.model.learned.categories import Categories
from scorer.model.learned.rounds import Rounds, choose
from scorer.model.saved.nodes import Damaged, Unsupported

SAVE = "booster.save_model('model.txt')"
LIBRARY = "LightGBM"
_VERSIONS = ("v2", "v3", "v4")  # trees are written alike in all of them
_MOST_COLUMNS, _MOST_OUTPUTS = 1 << 24, 10_000
_DEFAULT_NAME = re.compile(r"Column_\d+")
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom")
_EXPONENTIAL = ("poisson", "gamma", "tweedie")


def read(data: bytes, rounds: Rounds | None) -> Grown:
    """Read a model.

    Args:
        data: the file.
        rounds: which rounds to score with.

    Raises:
        Damaged: if the file contradicts itself.
        Unsupported: if the model is of a kind that is not scored here.
        Misconfigured: if the model does not have these rounds.
    """
    header, trees, after = _divide(data)
    if header.get("version") not in _VERSIONS:
        raise Unsupported(f"its version is {header.get('version')!r}; known are {', '.join(_VERSIONS)}")
    columns = number(header, "max_feature_idx", 0, _MOST_COLUMNS) + 1
    outputs = number(header, "num_tree_per_iteration", 1, _MOST_OUTPUTS)
    names = tuple(needed(header, "feature_names").split(" "))
    if len(names) != columns:
        raise Damaged(f"it states {columns} features, but has {len(names)} names")
    if len(trees) % outputs:
        raise Damaged(f"its {len(trees)} trees are not whole rounds of {outputs}")
    objective, link = _link(header.get("objective", "custom"), outputs)
    averaged = "average_output" in header
    boosted = choose(len(trees) // outputs, None, rounds)
    grown = Trees(trees[: boosted.used * outputs], columns)
    types = grown.types(header.get("feature_infos", "").split(" "))
    return Grown(
        library=LIBRARY,
        columns=columns,
        names=None if all(map(_DEFAULT_NAME.fullmatch, names)) else names,
        types=types,
        categories=_categories(after, types),
        objective=objective,
        kind="random forest" if averaged else "boosted trees",
        rounds=boosted,
        nodes=grown.nodes,
        leaves=grown.leaves,
        groups=np.arange(boosted.used * outputs) % outputs,
        base=np.zeros(outputs),
        divisor=max(1, boosted.used) if averaged else 1,
        link=link,
        cover=grown.cover,
        gains=grown.gains(),
        thresholds=grown.thresholds(),
        zeros=grown.zeros,
    )


def _divide(data: bytes) -> tuple[Lines, Sequence[Lines], str]:
    """Return the lines of the header and of each tree as what they assign, and the text after the trees."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"it is not UTF-8 at byte {error.start}") from error
    trees, ended, after = text.replace("\r\n", "\n").partition("\nend of trees\n")
    if not ended:
        raise Damaged("it has no line 'end of trees': it is not complete")
    header, *blocks = trees.split("\nTree=")
    for at, block in enumerate(blocks):
        if block.partition("\n")[0] != str(at):
            raise Damaged(f"its trees are not numbered from 0: tree {at} is {block.partition(chr(10))[0][:20]!r}")
    return _assigned(header), [_assigned(block) for block in blocks], after


def _assigned(block: str) -> Lines:
    """Return what each line of a block assigns; a word alone gets no text."""
    found = (line.partition("=") for line in block.split("\n"))
    return {name: value for name, _, value in found}


def _link(objective: str, outputs: int) -> tuple[str, links.Link]:
    """Return the name of an objective, and how its margins become scores.

    Raises:
        Unsupported: it is unknown.
    """
    name, *words = objective.split(" ")
    given = dict(word.partition(":")[::2] for word in words)
    if name in {"multiclass", "multiclassova"} and given.get("num_class") != str(outputs):
        raise Damaged(f"it has {outputs} trees a round for {given.get('num_class')} classes")
    if name in {"binary", "multiclassova"}:
        return name, links.logistic(_steepness(given.get("sigmoid", "1")))
    if name == "multiclass":
        return name, links.softmax
    if name == "cross_entropy":
        return name, links.logistic(1.0)
    if name == "cross_entropy_lambda":
        return name, links.logarithm
    if name in _EXPONENTIAL:
        return name, links.exponential
    if name in _IDENTITY:
        return name, links.square if "sqrt" in words else links.same
    raise Unsupported(f"its objective is {name!r}")


def _steepness(text: str) -> float:
    try:
        steepness = float(text)
    except ValueError:
        steepness = np.nan
    if not 0 < steepness < np.inf:
        raise Damaged(f"its objective has sigmoid:{text[:20]}, which is no positive number")
    return steepness


def _categories(after: str, types: Sequence[str]) -> tuple[Categories, ...]:
    """Return the categories of each feature, if LightGBM was given those of pandas and nothing is left open."""
    found = re.search(r"^pandas_categorical:(.*)$", after, re.MULTILINE)
    try:
        lists = json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        return ()
    if not isinstance(lists, list) or len(lists) != types.count("c"):  # a column of one category has no type
        return ()
    if not all(isinstance(each, list) and all(type(item) in {str, int} for item in each) for each in lists):
        return ()
    of = iter(lists)
    return tuple(tuple(next(of)) if kind == "c" else () for kind in types)
