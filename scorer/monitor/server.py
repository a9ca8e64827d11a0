"""The HTTP server of a replica: /metrics, /live and /ready, and perhaps a live page, in a separate thread.

Its load is bounded: the number of connections, the time and bytes of each, and the thread's share of the CPU; with too
many connections the oldest one is closed. So neither many scrapers nor slow clients can delay scoring or a probe. A
client that does not finish its TLS handshake is a slow one.

With a token, /live and /ready still answer everyone, since a kubelet has no secret to send, but only the token's owner
sees more than which parts have failed.

The viewers of a live page are few, are sent the same piece at the same time, and are cut off if they do not take it.
"""

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from selectors import EVENT_READ, DefaultSelector
from threading import Event

import structlog

from scorer.monitor.access import Access, unauthorised
from scorer.monitor.certificate import Certificate
from scorer.monitor.connection import Connection
from scorer.monitor.health import Health
from scorer.monitor.metrics import Metrics, wants_plain_text
from scorer.monitor.pages import Pages, health_page
from scorer.monitor.request import Request, Response
from scorer.monitor.share import Share

INDEX = b"""scorer
/metrics  every metric, OpenMetrics text
/live     200 while the loop runs within its limit, else 503
/ready    200 while assigned (or a standby) with model and servers at hand, else 503
"""
MOST_CONNECTIONS = 128  # at the same time
BACKLOG = 1024  # connections that wait to be accepted
POLL_SECONDS = 0.1  # how soon a stop and a deadline are noticed
SHARE, SAVED_SECONDS = 0.05, 0.1  # the thread's share of one CPU, and how much CPU time it can save up
MOST_VIEWERS = 8  # streams at the same time
PIECE_SECONDS = 1.0  # between two pieces of the streams
SHARED_SECONDS = 1.0  # how long a rendering of the metrics is reused, unless a client refuses cached ones

_TOO_MANY = Response(
    HTTPStatus.SERVICE_UNAVAILABLE, b"too many viewers; close one and try again\n", headers={"Retry-After": "5"}
)

log = structlog.get_logger()


class Server:
    """Answers all clients in the thread that calls `run`.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one, which is then in `port`.
        metrics: the source of /metrics; None if there is no such page.
        health: the source of /live and /ready.
        clock: seconds, monotonic.
        access: who may see everything.
        certificate: for TLS; None without it.
        pages: more pages.
    """

    def __init__(  # noqa: PLR0913  all but the first four have defaults
        self,
        host: str,
        port: int,
        metrics: Metrics | None,
        health: Health,
        clock: Callable[[], float] = time.monotonic,
        *,
        access: Access | None = None,
        certificate: Certificate | None = None,
        pages: Pages | None = None,
    ) -> None:
        self._metrics, self._health, self._clock = metrics, health, clock
        self._access, self._certificate, self._pages = access or Access(), certificate, pages
        self._piece_due = 0.0
        self._rendered: dict[bool, tuple[float, Response]] = {}
        self._connections: dict[socket.socket, Connection] = {}  # the oldest first
        self._stopping = Event()
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(BACKLOG)
        except BaseException:
            self._listener.close()
            raise
        self._listener.setblocking(False)  # noqa: FBT003  the socket's own
        self._selector = DefaultSelector()
        self._selector.register(self._listener, EVENT_READ)
        self.port: int = self._listener.getsockname()[1]
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def answer(self, request: Request) -> Response:
        """Return the response to a request."""
        known = self._access.allows(request.authorization)
        page = self._pages.answer(request, known=known) if self._pages else None
        return page or self._own(request, known=known)

    def _own(self, request: Request, *, known: bool) -> Response:
        match request.path:
            case "/live":
                return health_page(*self._health.live(), details=known)
            case "/ready":
                return health_page(*self._health.ready(), details=known)
            case _ if not known:
                return unauthorised(request.authorization)
            case "/metrics" if self._metrics is not None:
                return self._metrics_page(self._metrics, wants_plain_text(request.accept), request.fresh)
            case "/":
                return Response(HTTPStatus.OK, self._index)
            case _:
                return Response(HTTPStatus.NOT_FOUND, b"not found; there are:\n" + self._index)

    def run(self) -> None:
        """Answer requests until `stop` is called."""
        share = Share(SHARE, SAVED_SECONDS)
        while not self._stopping.is_set():
            for key, _ in self._selector.select(POLL_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._advance(self._connections.get(key.fileobj))  # type: ignore[call-overload]
                if pause := share.pause():  # one iteration may have a hundred handshakes; the others wait for the next
                    self._stopping.wait(pause)
                    break
            self._push()
            self._expire()

    def stop(self) -> None:
        """Let `run` return; any thread may call this."""
        self._stopping.set()

    def close(self) -> None:
        """Close every connection and the port."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        """Accept new connections; close the oldest ones if there are too many."""
        for _ in range(MOST_CONNECTIONS):
            try:
                accepted, _ = self._listener.accept()
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE} and self._connections:
                    self._drop(next(iter(self._connections.values())))
                return
            if len(self._connections) >= MOST_CONNECTIONS:
                self._drop(next(iter(self._connections.values())))
            accepted.setblocking(False)  # noqa: FBT003  the socket's own
            if self._certificate is not None:
                try:
                    accepted = self._certificate.wrap(accepted)
                except OSError:  # the client has gone
                    accepted.close()
                    continue
            connection = Connection(accepted, self._clock(), self._safely)
            self._connections[accepted] = connection
            self._selector.register(accepted, EVENT_READ)
            if self._certificate is None:  # a handshake waits for its turn
                self._advance(connection)

    def _advance(self, connection: Connection | None) -> None:
        if connection is None:  # it was closed earlier in this iteration, to make room
            return
        connection.advance(self._clock())
        self._settle(connection)

    def _push(self) -> None:
        """Send the next piece of the streams, if it is time."""
        now = self._clock()
        if self._pages is None or now < self._piece_due:
            return
        self._piece_due = now + PIECE_SECONDS
        viewers = [each for each in self._connections.values() if each.streaming]
        try:
            piece = self._pages.piece() if viewers else b""
        except Exception as error:  # noqa: BLE001  a failed piece must not end the server, which answers probes
            log.warning("http stream failed", error=f"{type(error).__name__}: {error}")
            for viewer in viewers:
                self._drop(viewer)
            return
        for viewer in viewers:
            viewer.push(piece, now)
            self._settle(viewer)

    def _expire(self) -> None:
        now = self._clock()
        for connection in [each for each in self._connections.values() if each.deadline <= now]:
            with suppress(OSError):
                connection.expire(now)
            self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        if connection.done:
            self._drop(connection)
        elif self._selector.get_key(connection.socket).events != connection.interest:
            self._selector.modify(connection.socket, connection.interest)

    def _drop(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        del self._connections[connection.socket]
        connection.close()

    def _safely(self, request: Request) -> Response:
        try:
            response = self.answer(request)
        except Exception as error:  # noqa: BLE001  a failed request must not end the server
            log.warning("http request failed", path=request.path, error=f"{type(error).__name__}: {error}")
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error\n")
        viewers = sum(each.streaming for each in self._connections.values())
        return _TOO_MANY if response.stream and viewers >= MOST_VIEWERS else response

    @property
    def _index(self) -> bytes:
        return INDEX + (self._pages.index if self._pages else b"")

    def _metrics_page(self, metrics: Metrics, plain: bool, fresh: bool) -> Response:  # noqa: FBT001  as `Request` has it
        now = self._clock()
        rendered = self._rendered.get(plain)
        if fresh or rendered is None or now - rendered[0] >= SHARED_SECONDS:
            text, content_type = metrics.render("text/plain" if plain else "")
            rendered = self._rendered[plain] = now, Response(HTTPStatus.OK, text, content_type)
        return rendered[1]
