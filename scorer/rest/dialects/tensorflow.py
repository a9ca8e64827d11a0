"""TensorFlow Serving's REST API, of which KServe v1 and Vertex AI have parts: `instances` in, `predictions` out."""

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

from scorer.rest.dialects.frames import column_rows
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Refused, Request, Response, decoded, encoded, shown, wrong
from scorer.rest.pages import health_page
from scorer.rest.site import Site

NAME, VERTEX = "tensorflow", "vertex"


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect."""

    def models(_: Request) -> Response:
        return Response(200, encoded({"models": [site.model]}))

    status, metadata, read = partial(_status, site), partial(_metadata, site), partial(_read, site)
    yield Route("GET", "/v1/models", NAME, "The name of the model", page=models)
    model = "/v1/models/{model}"
    for path in (model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}"):
        yield Route("GET", path, NAME, "The state of each version that is served", page=status, open=True)
        yield Route("GET", f"{path}/metadata", NAME, "The inputs and outputs of the model", page=metadata)
        yield Route("POST", f"{path}:predict", NAME, "Score `instances`, or `inputs` by column", read=read)


def vertex_routes(site: Site) -> Iterator[Route]:
    """Yield the routes that Vertex AI chooses for a container by its variables."""

    def health(_: Request) -> Response:
        return health_page(*site.health.live())

    if (path := site.environ.get("AIP_HEALTH_ROUTE", "")).startswith("/"):
        yield Route("GET", path, VERTEX, "As /live, at $AIP_HEALTH_ROUTE", page=health, open=True)
    if (path := site.environ.get("AIP_PREDICT_ROUTE", "")).startswith("/"):
        yield Route("POST", path, VERTEX, "Score `instances`, at $AIP_PREDICT_ROUTE", read=partial(_read, site))


def _rows(site: Site, document: dict[str, Any], version: str | None) -> Asked | None:
    """Return the rows of `instances` or `inputs`; None if a document has neither.

    Raises:
        Refused: they have another form.
    """
    if "instances" in document:
        if not isinstance(document["instances"], list):
            raise wrong("instances", document["instances"], "a list of rows")
        return Asked(document["instances"], partial(_write, "predictions"), version)
    if "inputs" in document:
        return Asked(column_rows(document["inputs"], "inputs", site.lists), partial(_write, "outputs"), version)
    return None


def _read(site: Site, request: Request) -> Asked:
    document = decoded(request.body)
    asked = _rows(site, document, _version(site, request)) if isinstance(document, dict) else None
    if asked is None:
        expected = '{"instances": [rows]} or {"inputs": {name: [values]}}'
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is {shown(document)}; expected {expected}")
    return asked


def _version(site: Site, request: Request) -> str | None:
    """Return the version that a path names, by itself or by the label of its arm.

    Raises:
        Refused: it is not served.
    """
    version, label = request.names.get("version"), request.names.get("label")
    if label is not None:
        version = next((each for each, arm in site.versions.items() if arm == label), None)
        if version is None:
            arms = ", ".join(dict.fromkeys(site.versions.values()))
            raise Refused(HTTPStatus.NOT_FOUND, f"no version has the label '{label}'; the arms are {arms}")
    if version is not None and version not in site.versions:
        raise Refused(HTTPStatus.NOT_FOUND, f"version '{version}' is not served; served are {', '.join(site.versions)}")
    return version


def _write(member: str, scored: Scored) -> Response:
    return Response(200, encoded({member: scored.scores}))


def _status(site: Site, request: Request) -> Response:
    """Return the state of versions for TensorFlow's clients, and `name` and `ready` for KServe's."""
    version, (ready, _) = _version(site, request), site.health.ready()
    state, code = ("AVAILABLE", "OK") if ready else ("LOADING", "UNAVAILABLE")
    states = [
        {"version": each, "state": state, "status": {"error_code": code, "error_message": ""}}
        for each in site.versions
        if version in {None, each}
    ]
    document = {"name": site.model, "ready": ready, "model_version_status": states}
    return Response(200 if ready else 503, encoded(document))


def _metadata(site: Site, request: Request) -> Response:
    version = _version(site, request) or site.champion
    size, outputs = len(site.columns), site.lineup().champion.outputs
    signature = {
        "inputs": {"rows": _tensor("rows", [-1, size])},
        "outputs": {"score": _tensor("score", [-1, outputs] if outputs > 1 else [-1])},
        "method_name": "tensorflow/serving/predict",
    }
    document = {
        "model_spec": {"name": site.model, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
    return Response(200, encoded(document))


def _tensor(name: str, shape: list[int]) -> dict[str, object]:
    sizes = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": "DT_FLOAT", "tensor_shape": {"dim": sizes, "unknown_rank": False}, "name": name}
