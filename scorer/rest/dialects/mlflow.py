"""MLflow's scoring server: `POST /invocations` with a DataFrame in one of its forms."""

from collections.abc import Iterator
from typing import Any

from scorer import __version__
from scorer.rest.dialects.frames import column_rows, split_rows
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Request, Response, encoded, wrong
from scorer.rest.pages import health_page, plain
from scorer.rest.site import Site

NAME = "mlflow"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def routes(site: Site) -> Iterator[Route]:
    """Yield the pages of the dialect; `/invocations` is shared with SageMaker."""

    def health(_: Request) -> Response:
        return health_page(*site.health.live())

    def version(_: Request) -> Response:
        return plain(__version__)

    yield Route("GET", "/health", NAME, "As /live", page=health, open=True)
    yield Route("GET", "/version", NAME, "The version of scorer", page=version)


def read_frame(document: Any, site: Site) -> Asked | None:  # noqa: ANN401  JSON
    """Return the rows in a document of MLflow; None if it is not one.

    Args:
        document: the body.
        site: knows the fields of an event: a member with the name of one is that field.

    Raises:
        Refused: the rows have another form.
    """
    if not isinstance(document, dict):
        return None
    forms = [form for form in FORMS if form in document and form not in site.fields]
    if not forms:
        return None
    if len(forms) > 1:
        raise wrong("the body", forms, f"one of {', '.join(FORMS)}")
    (form,) = forms
    given = document[form]
    match form:
        case "dataframe_split":
            rows = split_rows(given, form)
        case "inputs":
            rows = column_rows(given, form, site.lists)
        case _ if isinstance(given, list):
            rows = [_unwrapped(row) for row in given]
        case _:
            raise wrong(form, given, "a list of rows")
    return Asked(rows, write)


def _unwrapped(row: Any) -> Any:  # noqa: ANN401  JSON
    """Return the values of `{"features": [values]}`, as SageMaker's own algorithms have rows."""
    return row["features"] if isinstance(row, dict) and row.keys() == {"features"} else row


def write(scored: Scored) -> Response:
    """Return the scores."""
    return Response(200, encoded({"predictions": scored.scores}))
