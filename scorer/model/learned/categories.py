"""Compares the categories that a model keeps with those of a plan: a wrong order gives wrong scores silently.

XGBoost from 3.1 keeps the categories of a DataFrame's columns in the model, in the order of their codes. In a plan, the
order of a column's list gives each value its code, so the two lists have to be the same.

XGBoost 3.2 keeps non-ASCII text of a pandas column wrongly: it takes lengths in characters for lengths in bytes. Such
names cannot be read back, but one can check whether the plan's list would be kept as the same bytes. Here, a byte that
is not valid UTF-8 becomes a surrogate (`surrogateescape`).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from scorer.errors import Problem
from scorer.model.saved.nodes import grown_part

Category = str | int
Categories = tuple[Category, ...]  # in the order of their codes; empty if they are not known

SHOWN = 8  # most categories that a message shows
PASTED = 200  # most categories in a list to copy
WHERE = "plan.yaml: columns"


@dataclass(frozen=True, slots=True)
class Given:
    """One column of a plan.

    name:       the column's name.
    categories: its list; empty if it has none.
    computed:   whether its numbers come from Redis or an expression, and so may already be codes.
    """

    name: str
    categories: Categories
    computed: bool


def read_categories(learner: Any) -> tuple[Categories, ...]:  # noqa: ANN401  JSON
    """Return the categories of each feature of a saved model, as `ubjson.read` returns it; empty if it has none."""
    try:
        return tuple(_decode(encoding) for encoding in grown_part(learner)["model"]["cats"]["enc"])
    except (AttributeError, LookupError, TypeError, ValueError):  # XGBoost before 3.1, or an unknown form
        return ()


def compare_categories(
    known: Sequence[Categories], names: Sequence[str] | None, given: Sequence[Given]
) -> list[Problem]:
    """Return a problem for each column whose categories are not those of the model.

    Args:
        known: the categories of each feature, in the model's order.
        names: the features' names; None if the model has none.
        given: the plan's columns, in its order.
    """
    return [
        Problem(f"{WHERE}[{at}].categories", *misfit)
        for at, column, own in _pairs(known, names, given)
        if (misfit := _misfit(column, own))
    ]


def category_concerns(known: Sequence[Categories], names: Sequence[str] | None, given: Sequence[Given]) -> list[str]:
    """Return a warning for each column without categories whose numbers are used as the model's codes."""
    return [
        f"column '{column.name}' has to be the code of a category, from {_codes(own)}: the model has named"
        " categories, but a column from Redis or an expression is a number"
        for _, column, own in _pairs(known, names, given)
        if own and not column.categories and not _misfit(column, own)
    ]


def unproven_order(
    known: Sequence[Categories], names: Sequence[str] | None, types: Sequence[str] | None, given: Sequence[Given]
) -> str:
    """Return a warning that names the columns whose order of categories nothing confirms; empty if there are none."""
    places = {name: at for at, name in enumerate(names)} if names else {}
    features = [places.get(column.name, -1) if names else at for at, column in enumerate(given)]
    unproven = [
        column.name
        for column, feature in zip(given, features, strict=True)
        if column.categories
        and types
        and 0 <= feature < len(types)
        and types[feature] == "c"
        and not (feature < len(known) and known[feature])
    ]
    if not unproven:
        return ""
    return (
        f"the model does not keep its categories (it was saved before XGBoost 3.1, or trained on codes), so nothing"
        f" confirms the order of the categories of {', '.join(unproven)}; add golden events to confirm it"
    )


def _pairs(
    known: Sequence[Categories], names: Sequence[str] | None, given: Sequence[Given]
) -> Iterator[tuple[int, Given, Categories]]:
    """Yield the index of each column, the column, and the model's categories of its feature."""
    places = {name: at for at, name in enumerate(names)} if names else {}
    for at, column in enumerate(given):
        feature = places.get(column.name) if names else at
        if feature is not None and feature < len(known):
            yield at, column, known[feature]


def _misfit(column: Given, own: Categories) -> tuple[str, str] | None:
    """Return how a column's categories differ from the model's, and what to write; None if they do not."""
    if not own:
        return None
    right = f"write {_line(own)}"
    if not _legible(own):
        right = "list them in the order of the column's `.cat.categories` in training"
    if not column.categories:
        if column.computed and isinstance(own[0], str):
            return None  # its numbers can only be codes
        return f"missing for column '{column.name}', which is categorical in the model: {_listed(own)}", right
    if _same_list(column.categories, own):
        return None
    return f"are not those of the model: {_difference(column.categories, own)}", right


def _difference(ours: Categories, own: Categories) -> str:
    pairs = enumerate(zip(ours, own, strict=False))
    first = next((at for at, (mine, its) in pairs if not _same(mine, its)), min(len(ours), len(own)))
    apart = "" if first < SHOWN else f", which first differ at index {first}: {_at(ours, first)} for {_at(own, first)}"
    lists = f"the plan has {_listed(ours)}, the model {_listed(own)}{apart}"
    reordered = sorted(map(str, ours)) == sorted(map(str, own))
    return f"the same ones in another order; {lists}" if reordered else lists


def _same_list(ours: Categories, own: Categories) -> bool:
    if len(ours) == len(own) and all(map(_same, ours, own)):
        return True
    texts = [each for each in ours if isinstance(each, str)]
    return not _legible(own) and len(texts) == len(ours) and _as_kept_of_pandas(texts) == own


def _legible(own: Categories) -> bool:
    return all(not isinstance(each, str) or each.isascii() for each in own)


def _as_kept_of_pandas(texts: Sequence[str]) -> Categories:
    """Return texts as XGBoost 3.2 keeps those of a pandas column: cut by lengths in characters, not bytes."""
    ends = list(accumulate((len(text) for text in texts), initial=0))
    kept = "".join(texts).encode()
    return tuple(kept[start:end].decode(errors="surrogateescape") for start, end in pairwise(ends))


def _same(ours: Category, own: Category) -> bool:
    """Whether a category of the plan is that of the model; 101 equals "101", since a plan's categories have no type."""
    if isinstance(ours, str) == isinstance(own, str):
        return ours == own
    text, number = (ours, own) if isinstance(ours, str) else (own, ours)
    return text == str(number)


def _decode(encoding: Any) -> Categories:  # noqa: ANN401  JSON
    values = encoding["values"]
    if "offsets" not in encoding:
        return tuple(int(value) for value in values)
    offsets = [int(offset) for offset in encoding["offsets"]]
    text = bytes(int(value) & 0xFF for value in values)  # saved as signed bytes
    return tuple(text[start:end].decode(errors="surrogateescape") for start, end in pairwise(offsets))


def _codes(own: Categories) -> str:
    return f"0 for {_yaml(own[0])} to {len(own) - 1} for {_yaml(own[-1])}"


def _at(categories: Categories, at: int) -> str:
    return _yaml(categories[at]) if at < len(categories) else "none"


def _listed(categories: Categories) -> str:
    more = f", and {len(categories) - SHOWN} more" if len(categories) > SHOWN else ""
    return f"[{', '.join(_yaml(each) for each in categories[:SHOWN])}{more}]"


def _line(categories: Categories) -> str:
    """Return the categories as a line of a plan, if they fit into a message."""
    if len(categories) > PASTED:
        return f"the model's {len(categories)} categories in the order of `Booster.get_categories()`"
    return f"categories: [{', '.join(map(_yaml, categories))}]"


def _yaml(category: Category) -> str:
    """Return a category as in a plan, with text in quotes if YAML would read it as something else."""
    if not isinstance(category, str):
        return str(category)
    category = category.encode(errors="surrogateescape").decode(errors="replace")
    if category.isidentifier() and category.lower() not in {"null", "true", "false"}:
        return category
    return "'" + category.replace("'", "''") + "'" if category.isprintable() else json.dumps(category)
