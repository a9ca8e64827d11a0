"""The ASGI application: limits, access and timing around the exchange of a request for a response."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import structlog

from scorer.otel import Requests
from scorer.rest.clients import Clients
from scorer.rest.counts import Counts
from scorer.rest.desk import Job
from scorer.rest.messages import Refused, Request, Response
from scorer.rest.routing import Routes
from scorer.settings import ServeSettings

RETRY = (("Retry-After", "1"),)
BODIES = 16  # of the largest size, as much memory as all bodies together may take
UNKNOWN = "unknown"  # the dialect of a request without a route

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = structlog.get_logger()


class Application:
    """Answers HTTP requests.

    Args:
        routes: all routes.
        put: passes a request on to be scored; see `Desk.put`.
        limits: the limits on requests.
        clients: who may ask.
        counts: the metrics of requests.
        tracing: notes the requests that are traced; None if none are.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what a request meets, and those that observe it
        self,
        routes: Routes,
        put: Callable[[Job], None],
        limits: ServeSettings,
        clients: Clients,
        counts: Counts,
        tracing: Requests | None = None,
    ) -> None:
        self._routes, self._put, self._limits, self._clients, self._counts = routes, put, limits, clients, counts
        self._tracing, self._seconds, self._held = tracing, limits.timeout_ms / 1000, 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; this is the interface of ASGI."""
        began, dialect, traced, headers = time.perf_counter(), UNKNOWN, "", dict[str, str]()
        self._counts.under_way += 1
        try:
            route, names = self._routes.find(scope["method"], scope["path"])
            dialect = route.dialect
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            client = None if route.open else self._clients.admit(headers.get("authorization", ""))
            request = Request(scope["method"], scope["path"], headers, names)
            if self._tracing is not None and route.read is not None:
                traced = route.path
            if route.page is not None:
                response = route.page(request)
            else:
                future = asyncio.get_running_loop().create_future()
                response = await self._scored(Job(request, route, future, client=client), receive)
        except Refused as refused:
            response = refused.response
        except _Left:
            return
        except Exception as error:  # noqa: BLE001  a failed request must not end the server
            log.warning("request failed", path=scope["path"], error=f"{type(error).__name__}: {error}")
            response = Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "the log says why").response
        finally:
            self._counts.under_way -= 1
        self._counts.answered(dialect, response.status, time.perf_counter() - began)
        if traced and self._tracing is not None:
            self._tracing.answered(scope["method"], traced, headers, response.status, began)
        await _send(send, response)

    async def _scored(self, job: Job, receive: Receive) -> Response:
        if self._counts.under_way > self._limits.max_requests:
            what = f"{self._limits.max_requests:,} requests are under way already (serve.max_requests)"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, what, headers=RETRY)
        if (coding := job.request.headers.get("content-encoding", "identity")) != "identity":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is encoded as {coding[:80]}; send it as it is")
        try:
            head = job.request
            body = await self._body(job, receive)
            job.request = Request(head.method, head.path, head.headers, head.names, body)
            return await self._queued(job)
        finally:
            self._held -= job.bytes

    async def _queued(self, job: Job) -> Response:
        self._put(job)
        timer = asyncio.get_running_loop().call_later(self._seconds, _give_up, job, self._limits.timeout_ms)
        try:
            return await job.answered
        finally:
            timer.cancel()
            job.late = True

    def _hold(self, job: Job, more: int) -> None:
        """Count bytes of a body; without a limit for all bodies together, many large ones would fill the memory."""
        job.bytes += more
        self._held += more
        if self._held > BODIES * self._limits.max_bytes:
            what = f"requests under way have {self._held:,} bytes already ({BODIES} times serve.max_bytes)"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, what, headers=RETRY)

    async def _body(self, job: Job, receive: Receive) -> bytes:
        most, declared = self._limits.max_bytes, job.request.headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > most:  # noqa: PLR2004  digits of 64 bits
            raise _too_large(int(declared), most)
        chunks, size = list[bytes](), 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    chunks.append(message["body"])
                    size += len(message["body"])
                    self._hold(job, len(message["body"]))
                    if size > most:
                        raise _too_large(size, most)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            what = f"the body did not arrive within {self._limits.timeout_ms:,} ms (serve.timeout_ms)"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, what, headers=(("Connection", "close"),)) from None


class _Left(Exception):
    """The client closed its connection before its request was complete."""


def _too_large(size: int, most: int) -> Refused:
    what = f"a body of {size:,} bytes or more; at most {most:,} are read (serve.max_bytes)"
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)


def _give_up(job: Job, milliseconds: int) -> None:
    if not job.answered.done():
        what = f"not scored within {milliseconds:,} ms (serve.timeout_ms)"
        job.answered.set_exception(Refused(HTTPStatus.SERVICE_UNAVAILABLE, what, headers=RETRY))


async def _send(send: Send, response: Response) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in response.headers),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
