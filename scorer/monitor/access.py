"""How the HTTP server is guarded: by a bearer token that its clients send, and by TLS."""

import hmac
import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from scorer.errors import Misconfigured, Problem
from scorer.monitor.certificate import Certificate
from scorer.monitor.request import Response
from scorer.rotation import SecretFile
from scorer.settings import HttpSettings

_REALM = 'Bearer realm="scorer"'
_SENDABLE = re.compile(r"[\x21-\x7e]+")


class Access:
    """Compares the token of a request with the configured one.

    Args:
        token: returns the configured token, which may change; None lets everyone in.
    """

    def __init__(self, token: Callable[[], str] | None = None) -> None:
        self._token = token

    def allows(self, authorization: str) -> bool:
        """Return whether a client with this Authorization header may see everything."""
        if self._token is None:
            return True
        scheme, _, sent = authorization.partition(" ")
        # The comparison takes the same time wherever the first difference is.
        same = hmac.compare_digest(sent.strip(" ").encode(), self._token().encode())
        return same and scheme.lower() == "bearer"


def unauthorised(authorization: str) -> Response:
    """Return the response to a client without the token, or with a wrong one."""
    challenge = f'{_REALM}, error="invalid_token"' if authorization else _REALM
    return Response(HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", headers={"WWW-Authenticate": challenge})


def guards(http: HttpSettings) -> tuple[Access, Certificate | None]:
    """Return what checks the clients of the server, and its certificate.

    Raises:
        Misconfigured: the files of the token or the certificate cannot be used.
    """
    token: Callable[[], str] | None = None
    if http.token_file is not None:
        token = SecretFile(http.token_file, "http.token_file").read
        if not _SENDABLE.fullmatch(token()):
            what = f"the token in {http.token_file} has a space or another character that no client can send"
            raise Misconfigured([Problem("http.token_file", what, "expected printable ASCII without spaces")])
    elif http.token:
        token = partial(str, http.token)
    tls = http.tls
    return Access(token), Certificate(tls.certificate, tls.key) if tls else None
