"""The pages that other rooms add to the HTTP server, and its page of health."""

import json
from http import HTTPStatus
from typing import Protocol

from scorer.monitor.request import Request, Response


class Pages(Protocol):
    """Additional pages of the server, some of which may be streams. The server's thread calls all methods."""

    index: bytes  # the lines of the index page that list them

    def answer(self, request: Request, *, known: bool) -> Response | None:
        """Return the response to a request.

        Args:
            request: the request.
            known: whether the client may see everything.

        Returns:
            None if there is no such page.
        """

    def piece(self) -> bytes:
        """Return the next piece, which is the same for all streams."""


def health_page(ok: bool, words: dict[str, object], *, details: bool) -> Response:  # noqa: FBT001  what `Health` says
    """Return the page of a probe; without `details` it names only the parts that have failed."""
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    shown = words if details else {name: value for name, value in words.items() if name != "conditions"}
    return Response(status, json.dumps(shown).encode() + b"\n", "application/json")
