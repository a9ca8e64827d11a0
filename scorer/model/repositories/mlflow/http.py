"""Requests to an MLflow server, which MLflow's own variables name, with the login that they give."""

import json
import os
import shutil
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener

from scorer.errors import Misconfigured, Problem, RepositoryUnavailable
from scorer.security import redaction
from scorer.security.redaction import foreign
from scorer.security.redirects import NoRedirect
from scorer.security.tls import remedy

URI = "MLFLOW_TRACKING_URI"
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
CA, CLIENT = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"
TIMEOUT_SECONDS = 10.0  # to connect, and for each read
MOST_BYTES = 2**24  # in a response that is not a file
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"  # of a server that stores them for its clients
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter for an alias
_RIGHTS = f"check {USER} and {PASSWORD}, or {TOKEN}, and what they may read"

_HOST = "start the server with --allowed-hosts and the name in the URL"


class Absent(Exception):
    """The server has no such thing, or a request makes no sense to it; the text is the server's."""


class Server:
    """An MLflow server.

    Args:
        environ: has the variables that MLflow's own client reads.

    Raises:
        Misconfigured: they name no server.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        url = environ.get(URI, "")
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            what = f"{URI} is {redaction.redact(repr(url))}" if url else f"{URI} is not set"
            raise Misconfigured(
                [Problem("model.path", what, "set it to the http:// or https:// URL of MLflow's server")]
            )
        login, _, host = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=host))
        self._ca, self._client = environ.get(CA), environ.get(CLIENT)
        self._headers = _authorisation(environ, unquote(login))

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401  JSON
        """Return the JSON of a response.

        Args:
            path: below `/api/2.0/`.
            query: its parameters.

        Raises:
            Absent: the server has no such thing.
            Misconfigured: it refuses the request.
            RepositoryUnavailable: it does not answer.
        """
        return self._json(Request(f"{self.url}/api/2.0/{path}?{urlencode(query)}"))  # noqa: S310  http or https

    def files(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in a folder of artifacts, in bytes; it may raise what `get` does."""
        answer = self._json(Request(f"{self.url}{ARTIFACTS}?{urlencode({'path': folder})}"))  # noqa: S310  the same
        with self.understood():
            return {
                str(each["path"]): int(each.get("file_size") or 0)
                for each in answer.get("files") or ()
                if not each.get("is_dir")
            }

    def download(self, path: str, file: Path) -> None:
        """Write an artifact to a file; it may raise what `get` does."""
        with self._asking(Request(self._artifact(path))) as answer, file.open("wb") as out:  # noqa: S310  the same
            shutil.copyfileobj(answer, out)
            if answer.length:
                raise HTTPException(f"{path} ended {answer.length:,} bytes early")

    def upload(self, path: str, content: bytes) -> None:
        """Write an artifact; it may raise what `get` does."""
        kind = {"Content-Type": "application/octet-stream"}
        with self._asking(Request(self._artifact(path), content, kind, method="PUT")):  # noqa: S310  the same
            pass

    def _artifact(self, path: str) -> str:
        return f"{self.url}{ARTIFACTS}/{quote(path)}"

    def _json(self, request: Request) -> Any:  # noqa: ANN401  JSON
        with self._asking(request) as answer:
            content = answer.read(MOST_BYTES)
        with self.understood():
            return json.loads(content)

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Take for granted in the block that a response has the form of MLflow's.

        Raises:
            Misconfigured: it has not.
        """
        try:
            yield
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            what = f"{self.url} does not answer as MLflow does"
            raise Misconfigured([Problem("model.path", what, f"check {URI}")]) from error

    @contextmanager
    def _asking(self, request: Request) -> Iterator[HTTPResponse]:
        """Send a request, and turn what goes wrong into our errors until the response is read."""
        request.headers.update(self._headers)
        try:
            with self._opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
                yield answer
        except HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (HTTPException, OSError) as error:  # URLError is an OSError
            reason = error.reason if isinstance(error, URLError) else error
            text = foreign(str(getattr(reason, "strerror", None) or reason) or type(reason).__name__)
            advice = remedy(text, ca=CA, certificate=CLIENT, port="use http://")
            away = f"MLflow at {self.url} cannot be reached: {text}" + (f"; {advice}" if advice else "")
            raise RepositoryUnavailable(away) from None

    def _refused(self, error: HTTPError) -> Exception:
        content = error.read(MOST_BYTES)
        try:
            said = json.loads(content)
            code, message = str(said["error_code"]), foreign(str(said["message"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            code, message = "", foreign(content[:200].decode(errors="replace"))
        told = f"MLflow at {self.url} answered with status {error.code}" + (f": {message}" if message else "")
        if code in _ABSENT:
            return Absent(message)
        if error.code in {401, 403}:
            if "Host header" in message:
                return Misconfigured([Problem("model.path", told, _HOST)])
            return Misconfigured([Problem("model.path", told, _RIGHTS)])
        if error.code in {408, 425, 429} or error.code >= 500:  # noqa: PLR2004  HTTP
            return RepositoryUnavailable(told)
        return Misconfigured([Problem("model.path", told, f"check {URI}")])

    def _opener(self) -> OpenerDirector:
        """Return a client; the files of the certificates may have been replaced since the last one."""
        if not self.url.startswith("https:"):
            return build_opener(NoRedirect())
        context = ssl.create_default_context(cafile=self._ca)
        if self._client:
            context.load_cert_chain(self._client, password="")  # an encrypted key is an error, not a question
        return build_opener(HTTPSHandler(context=context), NoRedirect())


def _authorisation(environ: Mapping[str, str], login: str) -> dict[str, str]:
    """Return the header with the login; of a password and a token, the password counts, as for MLflow's client."""
    user, password, token = (environ.get(name, "") for name in (USER, PASSWORD, TOKEN))
    redaction.learn(password, token, login.partition(":")[2])
    if user and password:
        login = f"{user}:{password}"
    elif token:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
