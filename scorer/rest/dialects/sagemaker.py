"""SageMaker's contract of a container: `GET /ping` and `POST /invocations` with JSON, CSV or JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from scorer.rest.dialects.mlflow import read_frame
from scorer.rest.dialects.mlflow import write as write_json
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import CSV, JSON, LINES, Refused, Request, Response, decoded, encoded, wrong
from scorer.rest.pages import health_page
from scorer.rest.site import Site

NAME = "sagemaker"
_CSV, _LINES = "text/csv", frozenset({LINES, "application/x-jsonlines", "application/jsonl", "application/x-ndjson"})
_MEGABYTE = 1_000_000


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect."""

    def ping(_: Request) -> Response:
        live, words = site.health.live()
        return health_page(live, words | {"status": "Healthy" if live else "Unhealthy"})

    def parameters(_: Request) -> Response:
        document = {
            "MaxConcurrentTransforms": 8,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, site.limits.max_bytes // _MEGABYTE),
        }
        return Response(200, encoded(document))

    purpose = "Score JSON, CSV or JSON lines, or a DataFrame of MLflow"
    yield Route("GET", "/ping", NAME, "As /live", page=ping, open=True)
    yield Route("GET", "/execution-parameters", NAME, "What a batch transform may send at once", page=parameters)
    yield Route("POST", "/invocations", NAME, purpose, read=partial(_read, site))


def _read(site: Site, request: Request) -> Asked:
    kind = request.media_type
    if kind == _CSV:
        rows, form = _csv_rows(request.body, site.columns), _CSV
    elif kind in _LINES:
        rows, form = _json_lines(request.body), LINES
    elif kind in {"", JSON, "application/x-www-form-urlencoded"}:  # the last is what curl says by itself
        asked, form = _json_rows(decoded(request.body), site), JSON
        return Asked(asked.rows, _writer(request, form))
    else:
        known = f"{JSON}, {_CSV}, {LINES}"
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: found {kind[:80]}; expected one of {known}")
    return Asked(rows, _writer(request, form))


def _json_rows(document: Any, site: Site) -> Asked:  # noqa: ANN401  JSON
    frame = read_frame(document, site)
    if frame is not None:
        return frame
    many = isinstance(document, list) and bool(document) and isinstance(document[0], list | dict)
    return Asked(document if many or document == [] else [document], write_json)


def _json_lines(body: bytes) -> list[Any]:
    lines = [line for line in body.splitlines() if line.strip()]
    rows = [decoded(line, f"line {number}") for number, line in enumerate(lines, 1)]
    return [row["features"] if isinstance(row, dict) and row.keys() == {"features"} else row for row in rows]


def _csv_rows(body: bytes, columns: tuple[str, ...]) -> list[Any]:
    """Return the rows of a text of the model's columns: in order, or as a first line names them."""
    try:
        lines = [line for line in csv.reader(body.decode("utf-8-sig").splitlines(), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not CSV in UTF-8: {error}") from None
    if not lines or all(_is_number(cell) for cell in lines[0]):
        return [[_cell(cell) for cell in line] for line in lines]
    names, *rest = lines
    if sorted(names) != sorted(columns):
        expected = f"numbers, or the names of the model's columns: {', '.join(columns)}"
        raise wrong("the first line", names, expected)
    order = [names.index(column) for column in columns]
    for number, line in enumerate(rest, 2):
        if len(line) != len(names):
            raise wrong(f"line {number}", line, f"{len(names)} values, one for each name")
    return [[_cell(line[at]) for at in order] for line in rest]


def _cell(cell: str) -> float | str | None:
    text = cell.strip()
    if not text:
        return None
    with suppress(ValueError):
        if "_" not in text:  # which Python takes for a separator
            return float(text)
    return text


def _is_number(cell: str) -> bool:
    return not isinstance(_cell(cell), str)


def _writer(request: Request, form: str) -> Callable[[Scored], Response]:
    """Return the writer of the form that the client accepts; by default that of the request."""
    accepted = request.headers.get("accept", "").lower()
    wanted = [kind for kind in (JSON, _CSV, *_LINES) if kind in accepted]
    chosen = form if form in wanted or not wanted else wanted[0]
    return _WRITERS.get(chosen, _write_lines)


def _write_csv(scored: Scored) -> Response:
    lines = (",".join(map(str, score)) if isinstance(score, list) else str(score) for score in scored.scores)
    return Response(200, "".join(f"{line}\n" for line in lines).encode(), CSV)


def _write_lines(scored: Scored) -> Response:
    lines = (json.dumps({"score": score}, allow_nan=False) for score in scored.scores)
    return Response(200, "".join(f"{line}\n" for line in lines).encode(), LINES)


_WRITERS: Mapping[str, Callable[[Scored], Response]] = {JSON: write_json, _CSV: _write_csv}
