"""Pages of the HTTP server: those that others add to it, and the page of its health."""

import json
from http import HTTPStatus
from typing import Protocol

from scorer.monitor.request import Request, Response


class Pages(Protocol):
    """More pages of the server, some of which may be streams. All is called on the server's thread."""

    index: bytes  # the lines that list them

    def answer(self, request: Request, *, known: bool) -> Response | None:
        """Return the response to a request.

        Args:
            request: the request.
            known: whether its client may see everything.

        Returns:
            None if there is no such page.
        """

    def piece(self) -> bytes:
        """Return what all streams are sent now."""


def health_page(ok: bool, words: dict[str, object], *, details: bool) -> Response:  # noqa: FBT001  what `Health` says
    """Return the page of a probe; `details` says whether its client may see more than which parts have failed."""
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    shown = words if details else {name: value for name, value in words.items() if name != "conditions"}
    return Response(status, json.dumps(shown).encode() + b"\n", "application/json")
