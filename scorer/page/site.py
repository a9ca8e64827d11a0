"""The pages and the stream of the live page, for the HTTP server of a replica or of `scorer page`.

The static files contain nothing about the group, so they need no token, which a browser would not send. The document
and the stream need the token.
"""

from http import HTTPStatus
from pathlib import Path

from scorer.monitor import unauthorised
from scorer.monitor.request import Request, Response
from scorer.page.feed import Feed, Mark

STATIC = Path(__file__).with_name("static")
HOME = "/page/"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
FILES = ("index.html", "page.js", "page.css", "uPlot.iife.min.js", "uPlot.min.css")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STREAM = "text/event-stream"


class Site:
    """Answers with the page of a feed.

    Args:
        feed: the document of the group.
        at_home: whether the server has no other page at /.
    """

    index = b"/page/    the group, live\n"

    def __init__(self, feed: Feed, *, at_home: bool = False) -> None:
        self._feed = feed
        self._mark = Mark(0.0, -1)  # the mark of the last piece that was sent to all viewers
        self._files = {HOME + name: _file(name) for name in FILES}
        self._files[HOME] = self._files[HOME + "index.html"]
        moved = Response(HTTPStatus.FOUND, b"", headers={"Location": HOME, **HEADERS})
        self._files |= {HOME.rstrip("/"): moved, **({"/": moved} if at_home else {})}
        self._files["/favicon.ico"] = Response(HTTPStatus.NO_CONTENT, b"")
        self._told = {HOME + "events": self._events, HOME + "view.json": self._document}

    def answer(self, request: Request, *, known: bool) -> Response | None:
        """Return the response to a request; None if there is no such page."""
        if request.path in self._files:
            return self._files[request.path]
        tell = self._told.get(request.path)
        if tell is None:
            return None
        return tell() if known else unauthorised(request.authorization)

    def piece(self) -> bytes:
        """Return the changes since the last piece."""
        text, self._mark = self._feed.news(self._mark)
        return event(text)

    def _events(self) -> Response:
        text, _ = self._feed.whole()
        return Response(HTTPStatus.OK, event(text), STREAM, HEADERS, stream=True)

    def _document(self) -> Response:
        text, _ = self._feed.whole()
        return Response(HTTPStatus.OK, text + b"\n", "application/json", HEADERS)


def event(text: bytes) -> bytes:
    """Return an event of a stream with some JSON."""
    return b"data: " + text + b"\n\n"


def _file(name: str) -> Response:
    path = STATIC / name
    return Response(HTTPStatus.OK, path.read_bytes(), f"{TYPES[path.suffix]}; charset=utf-8", HEADERS)
