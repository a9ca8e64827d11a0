"""The HTTP side door of a replica: /metrics, /live and /ready, from a thread of its own."""

import errno
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import ClassVar

from scorer import __version__
from scorer.errors import Fatal
from scorer.monitor.health import Health
from scorer.monitor.metrics import Metrics

INDEX = b"""scorer
/metrics  every metric, OpenMetrics text
/live     200 while the loop turns within its limit, else 503
/ready    200 while assigned (or a standby) with model and servers at hand, else 503
"""
TEXT = "text/plain; charset=utf-8"


class _Handler(BaseHTTPRequestHandler):
    server_version = f"scorer/{__version__}"
    timeout = 5  # seconds that a silent client may hold its thread
    server: "Server"

    def do_GET(self) -> None:
        status, body, content_type = self.server.answer(self.path.partition("?")[0], self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  the name is http.server's

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
        """Keep quiet: scrapes are not news."""


class Server(ThreadingMixIn, TCPServer):
    """Answers each request from a thread of its own; not http.server's, which looks up the host's name at start."""

    allow_reuse_address = True
    daemon_threads = True
    families: ClassVar[dict[bool, socket.AddressFamily]] = {True: socket.AF_INET6, False: socket.AF_INET}

    def __init__(self, host: str, port: int, metrics: Metrics, health: Health) -> None:
        self.address_family = self.families[":" in host]
        self._metrics = metrics
        self._health = health
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def answer(self, path: str, accept: str) -> tuple[int, bytes, str]:
        """Return status, body and content type for a path."""
        if path == "/metrics":
            return 200, *self._metrics.render(accept)
        if path in {"/live", "/ready"}:
            ok, words = self._health.live() if path == "/live" else self._health.ready()
            return 200 if ok else 503, json.dumps(words).encode() + b"\n", "application/json"
        if path == "/":
            return 200, INDEX, TEXT
        return 404, b"not found; there are:\n" + INDEX, TEXT

    def handle_error(self, *_: object) -> None:
        """Let a client that hung up go."""


@contextmanager
def serve(host: str, port: int, metrics: Metrics, health: Health) -> Iterator[Server]:
    """Serve /metrics, /live and /ready until the block ends.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free one, which is then `Server.port`.
        metrics: what /metrics shows.
        health: what /live and /ready ask.

    Raises:
        Fatal: the address cannot be listened on.
    """
    try:
        server = Server(host, port, metrics, health)
    except OSError as error:
        raise Fatal(_why_not(host, port, error)) from error
    with server:
        thread = Thread(target=server.serve_forever, name="http", daemon=True, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        what, todo = f"port {port} of {host} is taken", "choose a free http.port, or `http: null` to do without"
    elif error.errno == errno.EACCES:
        what, todo = f"port {port} needs privileges", "choose an http.port above 1023"
    else:
        what, todo = (
            f"cannot listen on {host}:{port} ({error.strerror})",
            "http.host must be an address of this machine",
        )
    return f"http.port: {what}; {todo}"
