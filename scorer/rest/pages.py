"""The pages of the server itself: health, metrics, and an index."""

import json
from collections.abc import Iterator

from scorer.rest.exchange import Route
from scorer.rest.messages import JSON, TEXT, Request, Response
from scorer.rest.site import Site

OWN = "pages"


def routes(site: Site) -> Iterator[Route]:
    """Yield the routes of the pages."""

    def live(_: Request) -> Response:
        return health_page(*site.health.live())

    def ready(_: Request) -> Response:
        return health_page(*site.health.ready())

    def metrics(request: Request) -> Response:
        text, content_type = site.metrics.render(request.headers.get("accept", ""))
        return Response(200, text, content_type)

    yield Route("GET", "/live", OWN, "200 while scoring is not stuck, else 503", page=live, open=True)
    yield Route("GET", "/ready", OWN, "200 while requests can be scored, else 503", page=ready, open=True)
    yield Route("GET", "/metrics", OWN, "Every metric, as OpenMetrics text", page=metrics)


def health_page(ok: bool, words: dict[str, object]) -> Response:  # noqa: FBT001  what `Health` returns
    """Return a page for probes, which need no token and get no details."""
    shown = {name: value for name, value in words.items() if name != "conditions"}
    return Response(200 if ok else 503, json.dumps(shown).encode() + b"\n", JSON)


def plain(text: str, status: int = 200) -> Response:
    """Return a page of one line."""
    return Response(status, f"{text}\n".encode(), TEXT)
