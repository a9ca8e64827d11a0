"""The dialect of scorer itself: an event in, its prediction out, with the fields that `scorer score` writes."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from scorer.rest.dialects.azure import read_input_data
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Request, Response, decoded, encoded
from scorer.rest.site import Site

PURPOSE = "Score an event, or a list of events; Azure ML's `input_data` is understood as well"


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect."""
    yield Route("POST", "/score", "own", PURPOSE, read=partial(_read, site))


def _read(site: Site, request: Request) -> Asked:
    """Return the rows of a list, or the only row, to be answered with whole predictions."""
    document = decoded(request.body)
    if (azure := read_input_data(document, lambda: site.fields)) is not None:
        return azure
    if isinstance(document, list):
        return Asked(document, _write)
    return Asked([document], partial(_write, only=True))


def _write(scored: Scored, *, only: bool = False) -> Response:
    """Return the predictions: in a list the reason stands with each row that has none."""
    if only and scored.faults:
        return scored.refused.response
    rows: Sequence[Any] = scored.rows
    return Response(200, encoded(rows[0] if only else rows))
