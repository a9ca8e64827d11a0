"""HTTP requests follow no redirect: what they carry, a login or an alert, would go to wherever a response points."""

from urllib.request import HTTPRedirectHandler


class NoRedirect(HTTPRedirectHandler):
    """A handler for `build_opener`: a redirect is an error, as any other status."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
