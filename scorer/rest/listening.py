"""The socket, the certificate and the event loop of the server."""

import asyncio
import errno
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from scorer.errors import Fatal, Misconfigured, Problem
from scorer.monitor.certificate import load_pair, reason_of
from scorer.rest.application import Application
from scorer.rest.gathering import Gathering
from scorer.security.rotation import Look, look
from scorer.settings import ServeSettings
from scorer.stopping import Stop

BACKLOG = 2_048  # connections that wait to be accepted
KEEP_ALIVE_SECONDS = 75  # longer than the usual proxy keeps an idle connection, which then never meets a closed one
MOST_CONNECTIONS, OTHER_FILES = 10_000, 128  # at the same time, and open files that are left for everything else
LOOK_SECONDS = 1.0  # between two looks at the files of the certificate

log = structlog.get_logger()


def listen(serve: ServeSettings) -> socket.socket:
    """Return a socket that listens on the configured address; open as many files from now on as the system allows.

    Raises:
        Fatal: it cannot.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a file, and the usual limit is 1,024
    listener = socket.socket(socket.AF_INET6 if ":" in serve.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((serve.host, serve.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Fatal(_why_not(serve, error)) from error
    return listener


def url_of(serve: ServeSettings, listener: socket.socket) -> str:
    """Return the address of the server, for people."""
    host = f"[{serve.host}]" if ":" in serve.host else serve.host
    return f"{'https' if serve.tls else 'http'}://{host}:{listener.getsockname()[1]}"


def context_of(serve: ServeSettings) -> ssl.SSLContext | None:
    """Return the certificate for TLS; None without it.

    Raises:
        Misconfigured: its files cannot be used.
    """
    if serve.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load(context, serve)
    if serve.tls.client_ca is not None:
        try:
            context.load_verify_locations(serve.tls.client_ca)
        except OSError as error:
            what = f"{serve.tls.client_ca}: {reason_of(error)}"
            raise Misconfigured([Problem("serve.tls.client_ca", what, "expected certificates as PEM")]) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def answer(  # noqa: PLR0913, PLR0917  each is a part of the server
    application: Application,
    serve: ServeSettings,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    stop: Stop,
    started: Callable[[], None],
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then those under way are finished, and no others are accepted.

    Args:
        application: answers them.
        serve: the settings of the server.
        listener: from `listen`.
        context: from `context_of`.
        stop: receives the signal, and limits the time for the requests in progress.
        started: called on the event loop before the first connection is accepted.
    """
    config = uvicorn.Config(
        application,
        loop="none",
        http=partial(_Protocol, serve.timeout_ms / 1000, _Waiting()),  # type: ignore[arg-type]  # it makes a protocol, as a class does
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(stop.seconds)),
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )
    server = _Server(config, stop)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        if context is not None:
            loop.call_later(LOOK_SECONDS, _renew, context, serve, _look(serve))
        started()
        await server.serve([listener])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


class _Waiting:
    """The connections that wait for a request, the longest first: these make room for new ones.

    Without room, the system would reset new connections, also those of probes, until old ones are idle for too long.
    """

    def __init__(self) -> None:
        self._open, self._waiting = 0, dict[_Protocol, None]()

    def opened(self, connection: "_Protocol") -> None:
        """Count a connection, and close the one that waits longest if there are too many."""
        self._open += 1
        self.waits(connection)
        if self._open > self._most:
            oldest = next(iter(self._waiting))
            self.is_busy(oldest)
            oldest.transport.close()

    def waits(self, connection: "_Protocol") -> None:
        """A connection has no request under way."""
        self._waiting[connection] = None

    def is_busy(self, connection: "_Protocol") -> None:
        """A connection has a request under way, or is about to close."""
        self._waiting.pop(connection, None)

    def closed(self, connection: "_Protocol") -> None:
        """A connection is gone."""
        self._open -= 1
        self.is_busy(connection)

    @property
    def _most(self) -> int:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MOST_CONNECTIONS if files < 0 else max(1, min(MOST_CONNECTIONS, files - OTHER_FILES))


class _Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, which closes connections that send nothing, or only a part of a request's head.

    Args:
        head_seconds: how long a head may take from its first byte.
        waiting: knows the connections of the server.
        arguments: those of uvicorn.
    """

    def __init__(self, head_seconds: float, waiting: _Waiting, **arguments: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(**arguments)
        self._head_seconds, self._waiting = head_seconds, waiting
        self._patience: asyncio.TimerHandle | None = None
        self._half_closed = False  # the client sends no more

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", Gathering(transport, self.loop)))
        self._wait(KEEP_ALIVE_SECONDS)
        self._waiting.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        self._waiting.closed(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's gap: what is returned decides
        """Answer what a client has asked that closes only its half of the connection, and then close the other half."""
        self._half_closed = True
        whole = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        return whole and self.transport.get_extra_info("sslcontext") is None  # TLS has no half-closed connections

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait(self._head_seconds)

    def on_headers_complete(self) -> None:
        self._wait(None)
        self._waiting.is_busy(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        if not self.pipeline and not self.transport.is_closing():
            self._waiting.waits(self)
        super().on_response_complete()
        if self._half_closed and self.cycle.response_complete:
            self.transport.close()

    def _wait(self, seconds: float | None) -> None:
        """Close the connection after some seconds, unless this is called again; None waits for ever."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers, which would raise the signal again at the end.

    Args:
        config: uvicorn's.
        stop: receives a signal.
    """

    def __init__(self, config: uvicorn.Config, stop: Stop) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Stop accepting connections, and end once all requests under way are answered."""
        self._stop.request()
        self.should_exit = True


def _renew(context: ssl.SSLContext, serve: ServeSettings, seen: Look) -> None:
    """Load the certificate again if its files were replaced; connections from then on get the new one."""
    now = _look(serve)
    if now != seen:
        try:
            _load(context, serve)
            log.info("certificate of serve.tls replaced")
        except Misconfigured as error:  # perhaps only one of two files is replaced yet
            log.warning("certificate of serve.tls not replaced: the old one stays", error=str(error))
    asyncio.get_running_loop().call_later(LOOK_SECONDS, _renew, context, serve, now)


def _look(serve: ServeSettings) -> Look:
    assert serve.tls is not None  # noqa: S101  the callers' condition
    return look(filter(None, [serve.tls.certificate, serve.tls.key]))


def _load(context: ssl.SSLContext, serve: ServeSettings) -> None:
    assert serve.tls is not None  # noqa: S101  the callers' condition
    load_pair(context, serve.tls.certificate, serve.tls.key, "serve.tls")


def _why_not(serve: ServeSettings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"serve.port: port {serve.port} of {serve.host} is taken; choose a free one"
    if error.errno == errno.EACCES:
        return f"serve.port: port {serve.port} needs privileges; choose one above 1023"
    what = f"cannot listen on {serve.host}:{serve.port} ({error.strerror})"
    return f"serve.host: {what}; expected an address of this machine"
