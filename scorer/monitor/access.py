"""Access to the HTTP server: a bearer token that clients send, and TLS."""

import hmac
import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.monitor.certificate import Certificate
from scorer.monitor.request import Response
from scorer.security.rotation import SecretFile
from scorer.settings import HttpSettings, ListenSettings

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
        # Compared in constant time, which does not reveal how much of a wrong token is right.
        same = hmac.compare_digest(sent.strip(" ").encode(), self._token().encode())
        return same and scheme.lower() == "bearer"


def unauthorised(authorization: str) -> Response:
    """Return the response to a client without the token, or with a wrong one."""
    challenge = f'{_REALM}, error="invalid_token"' if authorization else _REALM
    return Response(HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", headers={"WWW-Authenticate": challenge})


def guards(http: HttpSettings) -> tuple[Access, Certificate | None]:
    """Return the token check of the server, and its certificate.

    Raises:
        Misconfigured: the files of the token or the certificate cannot be used, with every reason.
    """
    access, certificate, problems = Access(), None, list[Problem]()
    try:
        access = access_of(http)
    except Misconfigured as error:
        problems += error.problems
    try:
        if http.tls is not None:
            certificate = Certificate(http.tls.certificate, http.tls.key)
    except Misconfigured as error:
        problems += error.problems
    if problems:
        raise Misconfigured(problems)
    return access, certificate


def access_of(server: ListenSettings) -> Access:
    """Return the token check of a server.

    Args:
        server: the settings with the token or its file.

    Raises:
        Misconfigured: the file of the token cannot be used.
    """
    return Access(token_of(server.token, server.token_file, server.group))


def token_of(token: str, path: Path | None, group: str) -> Callable[[], str] | None:
    """Return a function that returns the token, which may change if it is in a file; None without a token.

    Args:
        token: the token, or empty.
        path: the file with the token, or None.
        group: the group of settings that names it, for errors.

    Raises:
        Misconfigured: the file cannot be used.
    """
    if path is None:
        return partial(str, token) if token else None
    setting = f"{group}.token_file"
    file = SecretFile(path, setting)
    if not _SENDABLE.fullmatch(file.read()):
        what = f"the token in {path} has a space or another character that no client can send"
        raise Misconfigured([Problem(setting, what, "expected printable ASCII without spaces")])
    return file.read
