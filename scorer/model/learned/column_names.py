"""Compares the columns of a plan with those that a model was trained on, by number, name and order."""

from collections.abc import Sequence

from scorer.errors import Problem, nearest

LISTED = 10  # most names in one message
WHERE = "plan.yaml: columns"


def compare_names(columns: int, features: Sequence[str] | None, names: Sequence[str]) -> list[Problem]:
    """Return every difference between the columns of a plan and those of the model.

    Args:
        columns: the model's number of columns.
        features: the model's column names, in order; None if it has none.
        names: the plan's column names, in order.
    """
    found = []
    if len(names) != columns:
        found.append(Problem(WHERE, f"{len(names)} columns", f"the model was trained on {columns}"))
    if features is None:
        return found
    given, known = set(names), set(features)
    missing = [name for name in features if name not in given]
    unexpected = [name for name in names if name not in known]
    if missing:
        found.append(Problem(WHERE, f"no column for the model's {_listed(missing)}", _nearest(missing, unexpected)))
    if unexpected:
        found.append(Problem(WHERE, f"the model does not know {_listed(unexpected)}", _nearest(unexpected, missing)))
    ours, theirs = ([name for name in of if name in given & known] for of in (names, features))
    for mine, its in zip(ours, theirs, strict=False):
        if mine != its:
            what = f"'{mine}' is in the place of the model's '{its}'"
            found.append(Problem(WHERE, what, "expected the order in which the model was trained"))
            break
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:LISTED]) + more


def _nearest(names: Sequence[str], candidates: Sequence[str]) -> str:
    pairs = ((name, nearest(name, candidates)) for name in names[:LISTED])
    hints = [f"'{near}' for '{name}'" for name, near in pairs if near]
    return f"did you mean {', '.join(hints)}?" if hints else ""
