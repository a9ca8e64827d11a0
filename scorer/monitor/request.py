"""HTTP requests and responses as bytes, without sockets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from scorer import __version__

HEAD_BYTES = 8192  # most bytes of a request line and its headers together
ALLOWED = "GET, HEAD"
TEXT = "text/plain; charset=utf-8"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/([0-9]+)\.[0-9]+" % _TOKEN)
_ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_HEADER = re.compile(rb"(%b):[ \t]*(.*?)[ \t]*" % _TOKEN)
_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request.

    method: GET or HEAD.
    path:   the path, without host and query.
    accept: the Accept header.
    fresh:  whether the client refuses a cached response.
    body:   whether a body follows the head.
    authorization: the Authorization header, a secret.
    """

    method: str
    path: str
    accept: str = ""
    fresh: bool = False
    body: bool = False
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A response, after which the connection is closed.

    stream: whether more follows the body, as long as the client listens.
    """

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False

    def encode(self, *, head_only: bool = False) -> bytes:
        """Return the bytes to send."""
        headers = {
            "Server": f"scorer/{__version__}",
            "Date": formatdate(usegmt=True),
            "Content-Type": self.content_type,
            **({} if self.stream else {"Content-Length": str(len(self.body))}),
            "Cache-Control": "no-store",
            "Connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *map(": ".join, headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if head_only else self.body)


class Refused(Exception):
    """An invalid request; the response gives the reason and repeats nothing of the request."""

    def __init__(self, status: HTTPStatus, **headers: str) -> None:
        super().__init__(status.phrase)
        self.response = Response(status, f"{status.phrase}\n".encode(), headers=headers)


def head_end(received: bytes | bytearray) -> int:
    """Return where the head of a request ends; -1 if it is not complete yet.

    Raises:
        Refused: the head is too long.
    """
    end = _END.search(received)
    if (end.end() if end else len(received)) > HEAD_BYTES:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return end.end() if end else -1


def read_request(head: bytes) -> Request:
    """Parse the head of a request.

    Raises:
        Refused: the request is not HTTP/1, or not supported here.
    """
    first, *lines = _LINE_END.split(_END.sub(b"", head, count=1))
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise Refused(HTTPStatus.BAD_REQUEST)
    method, target, version = (part.decode("ascii") for part in line.groups())
    if version != "1":
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if method not in {"GET", "HEAD"}:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, Allow=ALLOWED)
    path = _ORIGIN.sub("", target, count=1) if not target.startswith("/") else target
    headers = _read_headers(lines)
    body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    fresh = "no-cache" in headers.get("cache-control", "")
    accept, authorization = headers.get("accept", ""), headers.get("authorization", "")
    return Request(method, path.partition("?")[0] or "/", accept, fresh, body, authorization)


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Refused(HTTPStatus.BAD_REQUEST)
        name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
