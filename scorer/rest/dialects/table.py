"""All dialects, and the routes of each."""

from collections.abc import Callable, Iterator, Mapping

from scorer.rest import pages
from scorer.rest.dialects import mlflow, oip, own, sagemaker, tensorflow, torchserve
from scorer.rest.exchange import Route
from scorer.rest.site import Site

DIALECTS: Mapping[str, Callable[[Site], Iterator[Route]]] = {
    pages.OWN: pages.routes,
    "own": own.routes,
    oip.NAME: oip.routes,
    tensorflow.NAME: tensorflow.routes,
    tensorflow.VERTEX: tensorflow.vertex_routes,
    sagemaker.NAME: sagemaker.routes,
    mlflow.NAME: mlflow.routes,
    torchserve.NAME: torchserve.routes,
}


def routes_of(site: Site) -> list[Route]:
    """Return the routes of all dialects."""
    return [route for routes in DIALECTS.values() for route in routes(site)]
