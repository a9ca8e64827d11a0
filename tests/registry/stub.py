"""A registry that answers what a test says, and keeps what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep  # its own, whatever a test makes of the module's
from typing import Any

Answer = tuple[int, Any]  # a status and JSON, or bytes as they are
UNKNOWN: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


@dataclass
class Stub:
    """What a registry answers by path, and was asked."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # of every answer
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)  # path, headers, body
    delay: float = 0.0  # seconds before an answer
    drip: float = 0.0  # seconds between its bytes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def knows(self, number: int, schema: Any, **more: Any) -> None:
        """Have it answer for an id."""
        self.answers[f"/schemas/ids/{number}"] = (200, {"schema": json.dumps(schema), **more})

    def version(self, subject: str, number: int, identity: int, schema: Any, **more: Any) -> None:
        """Have it answer for a version of a subject."""
        answer = {"subject": subject, "version": number, "id": identity, "schema": json.dumps(schema), **more}
        self.answers[f"/subjects/{subject}/versions/{number}"] = (200, answer)
        self.answers[f"/subjects/{subject}/versions/latest"] = (200, answer)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Stub]:
    """A stub that listens."""
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    stub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


def _handler(stub: Stub) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            stub.asked.append((self.path, dict(self.headers.items()), body))
            status, answer = stub.answers.get(self.path, UNKNOWN)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            sleep(stub.delay)
            try:
                self.send_response(status)
                for name, value in stub.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                for at in range(0, len(content), 1 if stub.drip else len(content) or 1):
                    self.wfile.write(content[at : at + 1] if stub.drip else content)
                    sleep(stub.drip)
            except OSError:
                return  # the client has given up

        do_POST = do_GET  # noqa: N815  the server's own name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
