"""Named clients of the server, each with its own token and rate limits."""

import hmac
import math
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from scorer.errors import Misconfigured, Problem
from scorer.monitor import Access, access_of, token_of
from scorer.rest.messages import Refused
from scorer.settings import ClientSettings, ServeSettings

BURST_SECONDS = 1.0  # after a pause, a client may use its rate of so many seconds at once


class Rate:
    """A token bucket, which holds the units of BURST_SECONDS.

    A request may take more units than there are, and later requests wait until the debt is paid. So even a request with
    more rows than one second allows is answered.

    Args:
        a_second: the rate, in units a second; None for no limit.
        clock: returns seconds.
    """

    def __init__(self, a_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second, self._clock = a_second, clock
        self._most = max(1.0, BURST_SECONDS * (a_second or 0.0))
        self._left, self._at = self._most, clock()

    def take(self, units: int) -> float:
        """Take some units and return 0.0; if none are left, return the seconds until there is one."""
        if self._a_second is None:
            return 0.0
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1.0:
            return (1.0 - self._left) / self._a_second
        self._left -= units
        return 0.0


class Client:
    """A client with limits.

    Args:
        name: its name in the settings.
        limits: its rate limits.
        clock: returns seconds.
    """

    def __init__(self, name: str, limits: ClientSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._requests, self._rows = Rate(limits.requests_per_s, clock), Rate(limits.rows_per_s, clock)

    def ask(self) -> None:
        """Count a request, in the event loop.

        Raises:
            Refused: the client is over its limit of requests.
        """
        self._limit(self._requests.take(1), "requests_per_s")

    def send(self, rows: int) -> None:
        """Count the rows of a request, on the thread that scores it.

        Raises:
            Refused: the client is over its limit of rows.
        """
        self._limit(self._rows.take(rows), "rows_per_s")

    def _limit(self, seconds: float, setting: str) -> None:
        if seconds:
            what = f"client '{self.name}' is over its limit (serve.clients.{self.name}.{setting})"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, what, headers=(("Retry-After", str(math.ceil(seconds))),))


class Clients:
    """Tells clients apart by their tokens.

    Args:
        anyone: checks the shared token, which has no limits; None if only named clients may connect.
        named: the clients, each with a function that returns its token, which may change.
    """

    def __init__(self, anyone: Access | None, named: Iterable[tuple[Client, Callable[[], str]]] = ()) -> None:
        self._anyone, self._named = anyone, tuple(named)

    def admit(self, authorization: str) -> Client | None:
        """Return the client with this Authorization header, and count its request; None if it has no limits.

        Raises:
            Refused: there is no such client, or it is over its limit.
        """
        scheme, _, sent = authorization.partition(" ")
        found: Client | None = None
        for client, token in self._named:  # compares with every token, so the time reveals no near match
            if hmac.compare_digest(sent.strip(" ").encode(), token().encode()) and scheme.lower() == "bearer":
                found = client
        if found is not None:
            found.ask()
        elif self._anyone is None or not self._anyone.allows(authorization):
            raise _unauthorised(authorization)
        return found


def clients_of(serve: ServeSettings) -> Clients:
    """Return the clients of the settings.

    Raises:
        Misconfigured: the file of a token cannot be used, or two tokens are equal.
    """
    named, owners, problems = [], dict[str, str](), list[Problem]()
    if anyone := token_of(serve.token, serve.token_file, serve.group):
        owners[anyone()] = "serve"
    for name, limits in serve.clients.items():
        token = token_of(limits.token, limits.token_file, f"serve.clients.{name}")
        assert token is not None  # noqa: S101  the settings require one
        named.append((Client(name, limits), token))
        if (owner := owners.setdefault(token(), f"serve.clients.{name}")) != f"serve.clients.{name}":
            what = f"its token is that of {owner}"
            problems.append(Problem(f"serve.clients.{name}", what, "expected a token that tells clients apart"))
    if problems:
        raise Misconfigured(problems)
    only_named = bool(named) and not serve.token and serve.token_file is None
    return Clients(None if only_named else access_of(serve), named)


def _unauthorised(authorization: str) -> Refused:
    challenge = 'Bearer realm="scorer"' + (', error="invalid_token"' if authorization else "")
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        "expected the header `Authorization: Bearer TOKEN` with the token of this server",
        headers=(("WWW-Authenticate", challenge),),
    )
