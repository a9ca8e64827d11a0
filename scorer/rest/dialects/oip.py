"""Open Inference Protocol v2, which KServe, Seldon, MLServer and Triton speak: tensors as JSON or as bytes."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any

import numpy as np

from scorer import __version__
from scorer.rest.dialects.tensors import Tensor, binary_wanted, parts, with_bytes
from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Refused, Request, Response, decoded, encoded, wrong
from scorer.rest.pages import health_page
from scorer.rest.site import Site

NAME, OUTPUT = "oip", "score"
_DIMENSIONS = 2  # rows and columns


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect."""

    def live(_: Request) -> Response:
        return health_page(*site.health.live())

    def ready(_: Request) -> Response:
        return health_page(*site.health.ready())

    def version_ready(request: Request) -> Response:
        served = request.names["version"] in site.versions
        return health_page(served and site.health.ready()[0], {"name": site.model, "ready": served})

    def server(_: Request) -> Response:
        extensions = ["binary_tensor_data", "model_repository"]
        return Response(200, encoded({"name": "scorer", "version": __version__, "extensions": extensions}))

    def index(_: Request) -> Response:
        models = [
            {"name": site.model, "version": version, "state": "READY", "reason": arm}
            for version, arm in site.versions.items()
        ]
        return Response(200, encoded(models))

    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    metadata = partial(_metadata, site)
    yield Route("GET", "/v2", NAME, "The server's name and version", page=server)
    yield Route("GET", "/v2/health/live", NAME, "As /live", page=live, open=True)
    yield Route("GET", "/v2/health/ready", NAME, "As /ready", page=ready, open=True)
    yield Route("GET", f"{model}/ready", NAME, "As /ready", page=ready, open=True)
    yield Route("GET", f"{version}/ready", NAME, "Whether the version is served", page=version_ready, open=True)
    yield Route("GET", model, NAME, "The versions, inputs and outputs of the model", page=metadata)
    yield Route("GET", version, NAME, "The inputs and outputs of a version", page=metadata)
    yield Route("POST", "/v2/repository/index", NAME, "The versions that are served", page=index)
    for path in (model, version):
        yield Route("POST", f"{path}/infer", NAME, "Score rows, given as tensors", read=partial(_read, site))


def _metadata(site: Site, request: Request) -> Response:
    version = request.names.get("version")
    if version is not None and version not in site.versions:
        raise Refused(HTTPStatus.NOT_FOUND, f"version '{version}' is not served; served are {', '.join(site.versions)}")
    outputs = site.lineup().champion.outputs
    document = {
        "name": site.model,
        "versions": list(site.versions),
        "platform": site.boosters[0].library,
        "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, len(site.columns)]}],
        "outputs": [{"name": OUTPUT, "datatype": _datatype(site), "shape": [-1, outputs] if outputs > 1 else [-1]}],
    }
    return Response(200, encoded(document))


def _read(site: Site, request: Request) -> Asked:
    text, tensors = parts(request)
    document = decoded(text)
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list) or not document["inputs"]:
        raise wrong("inputs", document.get("inputs") if isinstance(document, dict) else document, "a list of tensors")
    outputs = document.get("outputs") or []
    if not isinstance(outputs, list):
        raise wrong("outputs", outputs, "a list of outputs")
    for number, output in enumerate(outputs):
        if not isinstance(output, dict) or output.get("name") != OUTPUT:
            raise wrong(f"outputs[{number}].name", output, f'the only output of the model, "{OUTPUT}"')
    inputs = [Tensor.read(each, f"inputs[{number}]", tensors) for number, each in enumerate(document["inputs"])]
    write = partial(_write, document.get("id"), _datatype(site), binary=binary_wanted(document, outputs))
    return Asked(_rows(inputs, site), write, request.names.get("version"))


def _datatype(site: Site) -> str:
    """Return the type of the scores: the wider one, if versions have different types."""
    return f"FP{8 * np.result_type(*(each.numbers for each in site.boosters)).itemsize}"


def _write(identifier: object, datatype: str, scored: Scored, *, binary: bool) -> Response:
    scores = scored.scores
    several = bool(scores) and isinstance(scores[0], list)
    flat = list(chain.from_iterable(scores)) if several else scores
    shape = [len(scores), len(scores[0])] if several else [len(scores)]
    output = {"name": OUTPUT, "shape": shape, "datatype": datatype}
    document: dict[str, object] = {"model_name": scored.model, "model_version": scored.version}
    document |= {} if identifier is None else {"id": identifier}
    if binary:
        return with_bytes(document, output, flat)
    return Response(200, encoded({**document, "outputs": [output | {"data": flat}]}))


def _rows(inputs: Sequence[Tensor], site: Site) -> list[Any]:
    """Return the rows of one tensor of the model's columns, or of a tensor for each name."""
    first = inputs[0]
    if len(inputs) == 1 and len(first.shape) == _DIMENSIONS and (first.shape[1] != 1 or first.name not in site.names):
        width = first.shape[1]
        return [first.values[at : at + width] for at in range(0, len(first.values), width)] if width else []
    for number, each in enumerate(inputs):
        if each.shape not in {(len(first.values),), (len(first.values), 1)}:
            expected = (
                f"[{first.shape[0] if first.shape else 0}] or [.., 1], as all inputs with a name of one value a row"
            )
            raise wrong(f"inputs[{number}].shape", list(each.shape), expected)
    names = [each.name for each in inputs]
    return [dict(zip(names, row, strict=True)) for row in zip(*(each.values for each in inputs), strict=True)]
