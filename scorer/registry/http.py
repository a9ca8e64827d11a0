"""Requests to a registry: tries its addresses in turn, each with a deadline, and interprets the response.

Python's own client is enough for six questions, each asked once. The client of confluent-kafka would bring eight more
packages and a second of CPU time to every start, and it waits between its retries where the consumer group is served.
"""

import json
import queue
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener

from scorer.errors import Misconfigured, RegistryUnavailable
from scorer.security.redaction import foreign
from scorer.security.redirects import NoRedirect
from scorer.security.rotation import secret_file
from scorer.security.tls import remedy
from scorer.settings import RegistrySettings, TlsSettings

DEADLINE_SECONDS = 3.0  # for a request, from the look-up of the host's name to the last byte of the response
MOST_BYTES = 2**24  # in a response
_TYPE = "application/vnd.schemaregistry.v1+json"
_ACCEPT = f"{_TYPE}, application/json"
_RETRIED = frozenset({408, 425, 429})  # statuses after which a request is retried, besides all from 500 on
_UNKNOWN = range(40400, 40500)  # the registry's error codes for something that does not exist

Result = TypeVar("Result")
Authorise = Callable[[], dict[str, str]]  # returns headers; raises RegistryUnavailable


class Refusal(Exception):
    """The registry understood a request and refused it: no retry helps."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Away(RegistryUnavailable):
    """The registry cannot answer now.

    retry: whether it may answer soon; false if it refuses the credentials.
    after: the seconds that it asked to wait; 0 if it did not say.
    """

    def __init__(self, text: str, *, retry: bool = True, after: float = 0.0) -> None:
        super().__init__(text)
        self.retry, self.after = retry, after


@dataclass(frozen=True, slots=True)
class Address:
    """Where a registry is, with the login that its URL may have."""

    url: str  # without login, and without a slash at its end
    login: str  # `user:password`; empty for none

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse a URL, which may end with a slash."""
        parts = urlsplit(url.rstrip("/"))
        login, _, host = parts.netloc.rpartition("@")
        return cls(urlunsplit(parts._replace(netloc=host)), unquote(login))


class Http:
    """Sends requests to the first address that answers.

    Args:
        settings: addresses, login and certificates. The files of the certificates are read for every request, so they
            may be replaced while a replica runs.
        authorise: returns the headers with a bearer token; no headers if there is none.
    """

    def __init__(self, settings: RegistrySettings, authorise: Authorise = dict) -> None:
        self._addresses = [Address.parse(url) for url in settings.url.split(",")]
        self._settings, self._tls, self._authorise = settings, settings.tls or TlsSettings(), authorise

    @property
    def name(self) -> str:
        """The addresses, as errors show them."""
        return ", ".join(address.url for address in self._addresses)

    def get(self, path: str) -> Any:  # noqa: ANN401  JSON
        """Send a GET request and return the JSON of its response; None if the registry has no such thing.

        Raises:
            Away: no address answers now, or the registry refuses the request.
        """
        try:
            return self._ask("GET", path, None)
        except Refusal as refusal:
            raise Away(f"the schema registry at {self.name} refuses {path}: {refusal}", retry=False) from None

    def post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
        """Send a POST request and return the JSON of its response; None if the registry has no such thing.

        Args:
            path: the path and the query, quoted.
            body: sent as JSON.

        Raises:
            Refusal: the registry refuses the request, and says why.
            Away: no address answers now.
        """
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:  # noqa: ANN401  JSON
        """Send a request to each address until one answers; one that refuses the credentials ends the search."""
        failures: list[Away] = []
        for address in self._addresses:
            try:
                return self._ask_at(address, method, path, body)
            except Away as away:
                failures.append(away)
                if not away.retry:
                    break
        first = failures[0] if len(failures) == 1 else None
        raise first or Away(
            "; ".join(map(str, failures)), retry=failures[-1].retry, after=max(away.after for away in failures)
        )

    def _login(self) -> str:
        user, file = self._settings.user, self._settings.password_file
        return user if file is None else f"{user}:{_secret(file, 'registry.password_file')}"

    def _ask_at(self, address: Address, method: str, path: str, body: bytes | None) -> Any:  # noqa: ANN401  JSON
        """Send a request to one address; a login in the settings comes before one in the address."""
        headers = {"Accept": _ACCEPT, "Content-Type": _TYPE, **self._authorise()}
        login = self._login() or address.login
        if login and "Authorization" not in headers:
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        request = Request(address.url + path, body, headers, method=method)  # noqa: S310  http or https, by settings
        status, answer, after = send(request, self._tls, f"the schema registry at {address.url}")
        return _judged(status, answer, after, f"the schema registry at {address.url}")


def _secret(file: Path, setting: str) -> str:
    try:
        return secret_file(file, setting).read()
    except Misconfigured as error:
        raise Away(str(error), retry=False) from None


def bearer(settings: RegistrySettings) -> dict[str, str]:
    """Return the headers of the configured token, which a file may have.

    Raises:
        Away: there is no token in the file.
    """
    file = settings.token_file
    token = settings.token if file is None else _secret(file, "registry.token_file")
    return {"Authorization": f"Bearer {token}"} if token else {}


def send(request: Request, tls: TlsSettings, who: str) -> tuple[int, bytes, float]:
    """Send a request, within a deadline.

    Args:
        request: what to send.
        tls: the certificates.
        who: the server's name in errors.

    Returns:
        The status, the body of the response, and the seconds that the server asks to wait; 0 if it does not say.

    Raises:
        Away: the server cannot be reached, or the response is not complete within the deadline.
    """
    try:
        return _within(DEADLINE_SECONDS, lambda: _send(_opener(tls), request))
    except TimeoutError:
        raise Away(f"{who} did not answer within {DEADLINE_SECONDS:g} seconds") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        text = foreign(str(getattr(reason, "strerror", None) or reason))
        advice = remedy(text, ca="registry.tls.ca", certificate="registry.tls.certificate", port="use http://")
        raise Away(f"{who} cannot be reached: {text}" + (f"; {advice}" if advice else "")) from None


def _send(opener: OpenerDirector, request: Request) -> tuple[int, bytes, float]:
    """Send a request and return what `send` does; a status that is an error is no exception here."""
    try:
        with opener.open(request, timeout=DEADLINE_SECONDS) as answer:
            return answer.status, answer.read(MOST_BYTES + 1), 0.0
    except HTTPError as error:
        with error:
            after = error.headers.get("Retry-After", "")
            return error.code, error.read(MOST_BYTES + 1), float(after) if after.isdecimal() else 0.0


def _judged(status: int, answer: bytes, after: float, who: str) -> Any:  # noqa: ANN401  JSON
    """Interpret a response.

    Args:
        status: the HTTP status.
        answer: the body.
        after: the seconds that the server asks to wait.
        who: the server's name in errors.

    Returns:
        The JSON of the body; None if it says that something does not exist.

    Raises:
        Refusal: the registry refuses the request.
        Away: it cannot answer now, refuses the credentials, or is no registry.
    """
    if len(answer) > MOST_BYTES:
        raise Away(f"{who} sent more than {MOST_BYTES:,} bytes", retry=False)
    try:
        content = json.loads(answer) if answer else None
    except (ValueError, RecursionError):
        content = None
    said = content if isinstance(content, dict) else {}
    message, code = str(said.get("message", "")), said.get("error_code")
    if status < 300 and content is not None:  # noqa: PLR2004  HTTP
        return content
    if status == 404 and code in _UNKNOWN:  # noqa: PLR2004  HTTP
        return None
    told = f"{who} answered with status {status}" + (f": {message}" if message else "")
    if status in {401, 403}:
        raise Away(f"{told}; check registry.user or registry.token, and what they may read", retry=False)
    if status in _RETRIED or status >= 500:  # noqa: PLR2004  HTTP
        raise Away(told, after=after)
    if not message:  # another kind of server, or a proxy
        raise Away(f"{told}, which is not a registry's response; check registry.url", retry=False)
    raise Refusal(status, message)


def _opener(tls: TlsSettings) -> OpenerDirector:
    """Return a client with these certificates; OSError if a file of them cannot be read."""
    context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
    if tls.certificate is not None:
        # With an empty password, an encrypted key is an error instead of a question on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    return build_opener(HTTPSHandler(context=context), NoRedirect())


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    """Do some work in a thread, and return its result or raise its exception.

    If it takes longer, the thread is left to finish by itself. A socket's own timeout would bound each read but not all
    of them, and nothing bounds the look-up of a name.

    Raises:
        TimeoutError: it takes longer than this many seconds.
    """
    done: queue.SimpleQueue[tuple[Sequence[Result], BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(((work(),), None))
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            done.put(((), error))

    threading.Thread(target=run, name="registry", daemon=True).start()
    try:
        results, error = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return results[0]
