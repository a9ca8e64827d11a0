"""Azure ML: `POST /score` with `input_data`, as its inference server and its MLflow images have it."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from scorer.rest.dialects.frames import split_rows
from scorer.rest.exchange import Asked, Scored
from scorer.rest.messages import Response, encoded, wrong

_MEMBERS = ("input_data", "data")


def read_input_data(document: Any, fields: Callable[[], AbstractSet[str]]) -> Asked | None:  # noqa: ANN401  JSON
    """Return the rows in a document of Azure ML; None if it is not one.

    Args:
        document: the body.
        fields: returns the fields of an event: a member with the name of one is that field.
    """
    if not isinstance(document, dict) or document.keys().isdisjoint(_MEMBERS):
        return None
    known = fields()
    name = next((each for each in _MEMBERS if each in document and each not in known), None)
    if name is None:
        return None
    given = document[name]
    if isinstance(given, dict):
        return Asked(split_rows(given, name), _write)
    if isinstance(given, list):
        return Asked(given, _write)
    raise wrong(name, given, "a list of rows, or an object with `columns` and `data`")


def _write(scored: Scored) -> Response:
    return Response(200, encoded(scored.scores))
