"""Tokens of OAuth 2 client credentials, configured by the properties of Confluent's clients."""

import json
import math
import re
import time
from collections.abc import Mapping
from urllib.parse import urlencode
from urllib.request import Request

from scorer.registry.http import Away, send
from scorer.settings import TlsSettings

_RENEW = 0.8  # the share of a token's lifetime after which it is renewed
_LIFE_SECONDS = 300.0  # the life of a token if the issuer does not say
_SENDABLE = re.compile("[!-~]+")


class Tokens:
    """Makes the headers of requests, with a token that is renewed before it expires.

    Args:
        properties: `bearer.auth.*`, as in the setting `registry.oauth`.
        tls: the certificates of the registry, which are used for the issuer, too.
    """

    def __init__(self, properties: Mapping[str, str], tls: TlsSettings) -> None:
        self._properties, self._tls = properties, tls
        self._token, self._until = "", 0.0

    def headers(self) -> dict[str, str]:
        """Return the headers of a request.

        Raises:
            Away: the issuer gives no token now.
        """
        if time.monotonic() >= self._until:
            self._renew()
        headers = {"Authorization": f"Bearer {self._token}"}
        for header, name in (
            ("target-sr-cluster", "bearer.auth.logical.cluster"),
            ("Confluent-Identity-Pool-Id", "bearer.auth.identity.pool.id"),
        ):
            if name in self._properties:
                headers[header] = self._properties[name]
        return headers

    def _renew(self) -> None:
        """Fetch a token from the issuer.

        Raises:
            Away: the issuer cannot be reached, or its response has no token.
        """
        get, url = self._properties.get, self._properties["bearer.auth.issuer.endpoint.url"]
        form = {
            "grant_type": "client_credentials",
            "client_id": get("bearer.auth.client.id", ""),
            "client_secret": get("bearer.auth.client.secret", ""),
            "scope": get("bearer.auth.scope", ""),
        }
        who, asked = f"the issuer of tokens at {url}", time.monotonic()
        request = Request(url, urlencode(form).encode(), {"Accept": "application/json"})  # noqa: S310  by settings
        status, answer, after = send(request, self._tls, who)
        try:
            token, life = _token_of(answer)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            retry = status >= 500 or status == 429  # noqa: PLR2004  HTTP
            raise Away(f"{who} gave no token (status {status})", retry=retry, after=after) from None
        self._token, self._until = token, asked + _RENEW * life


def _token_of(answer: bytes) -> tuple[str, float]:
    """Return a token and how many seconds it lives; other errors than a ValueError mean that there is none, too."""
    said = json.loads(answer)
    token, life = said["access_token"], float(said.get("expires_in", _LIFE_SECONDS))
    if not isinstance(token, str) or not _SENDABLE.fullmatch(token) or not math.isfinite(life):
        raise ValueError("no token that a request can have, for a time that ends")
    return token, life
