"""TorchServe: `POST /predictions/NAME`, and what its management API tells without changing anything."""

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

from scorer.rest.exchange import Asked, Route, Scored
from scorer.rest.messages import Refused, Request, Response, decoded, encoded
from scorer.rest.site import Site

NAME = "torchserve"


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the dialect; `/ping` is SageMaker's."""

    def models(_: Request) -> Response:
        model = {"modelName": site.model, "modelUrl": site.model}
        return Response(200, encoded({"models": [model]}))

    def model(request: Request) -> Response:
        wanted = request.names.get("version", site.champion)
        versions = [each for each in site.versions if wanted in {each, "all"}]
        if not versions:
            raise Refused(
                HTTPStatus.NOT_FOUND, f"version '{wanted}' is not served; served are {', '.join(site.versions)}"
            )
        ready = "READY" if site.health.ready()[0] else "LOADING"
        described = [
            {
                "modelName": site.model,
                "modelVersion": each,
                "modelUrl": site.model,
                "runtime": "python",
                "status": ready,
            }
            for each in versions
        ]
        return Response(200, encoded(described))

    yield Route("GET", "/models", NAME, "The name of the model", page=models)
    for path in ("/models/{model}", "/models/{model}/{version}"):
        yield Route("GET", path, NAME, "The versions that are served", page=model)
    for path in ("/predictions/{model}", "/predictions/{model}/{version}"):
        yield Route("POST", path, NAME, "Score a row, or a list of rows", read=_read)


def _read(request: Request) -> Asked:
    document, version = decoded(request.body), request.names.get("version")
    if isinstance(document, list) and (not document or isinstance(document[0], list | dict)):
        return Asked(document, _write, version)
    return Asked([document], partial(_write, only=True), version)


def _write(scored: Scored, *, only: bool = False) -> Response:
    scores = scored.scores
    return Response(200, encoded(scores[0] if only else scores))
