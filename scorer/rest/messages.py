"""Requests and responses as the dialects see them, and problem documents (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from scorer.made_often import made_often

JSON, PROBLEM, TEXT, CSV, LINES = (
    "application/json",
    "application/problem+json",
    "text/plain; charset=utf-8",
    "text/csv; charset=utf-8",
    "application/jsonlines",
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@made_often
@dataclass(frozen=True, slots=True)
class Request:
    """A request with its whole body.

    headers: by their names in lower case, as latin-1; of several with one name, the last.
    names:   what stands in the path where the route has a name: `model`, `version` or `label`.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """The type of the body without its parameters, in lower case; empty if the client does not say."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@made_often
@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that gets no predictions.

    Args:
        status: the status of the response.
        detail: what is wrong, and what to do.
        errors: what is wrong with each part of the request, as members of JSON objects.
        headers: the headers of the response.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Mapping[str, object]] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    @property
    def response(self) -> Response:
        """The problem document; `error` is what clients of the Open Inference Protocol and TensorFlow Serving read."""
        document: dict[str, object] = {
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "error": self.detail,
        }
        if self.errors:
            document["errors"] = list(self.errors)
        return Response(int(self.status), encoded(document), PROBLEM, self.headers)


def wrong(where: str, found: object, expected: str) -> Refused:
    """Return the refusal of a request by one of its parts.

    Args:
        where: the part, such as `inputs[0].shape`.
        found: what is there; shown as JSON, shortened.
        expected: what should be there.
    """
    value = shown(found)
    error = {"field": where, "value": value, "expected": expected}
    return Refused(HTTPStatus.BAD_REQUEST, f"{where}: found {value}; expected {expected}", errors=[error])


def shown(value: object) -> str:
    """Return a value as JSON of at most 80 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004  see above


def encoded(document: object) -> bytes:
    """Return a document as JSON."""
    return _ENCODER.encode(document).encode(errors="replace")


def decoded(body: bytes, where: str = "the body") -> Any:  # noqa: ANN401  JSON
    """Return the document of a body.

    Raises:
        Refused: it is not JSON.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise Refused(HTTPStatus.BAD_REQUEST, f"{where} is nested too deeply") from None
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"{where} is not JSON in UTF-8: {error}") from None
