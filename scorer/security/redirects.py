"""Keeps HTTP requests from following redirects, which could send a login or an alert to any address."""

from urllib.request import HTTPRedirectHandler


class NoRedirect(HTTPRedirectHandler):
    """A handler for `build_opener`: a redirect is an error, as any other status."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
