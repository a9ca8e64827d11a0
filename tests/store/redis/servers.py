"""Servers for tests of the store: real ones in special set-ups, and fakes of what a real one does not do."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import redis
from redis.connection import Connection

from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity
from scorer.sandbox import Redis
from scorer.sandbox.server import free_port

Script = Callable[[socket.socket], None]
ALERT_SECONDS = 5.0  # for the client to read why a handshake failed
BUS = 10_000  # how far above the port of a node of a cluster its other port lies, on which nodes talk to each other

HASH = Entity("plane", KeyTemplate.parse("plane:{tailnum}"), "hash", ("seats", "engines", "year"))
AGED = Entity("card", KeyTemplate.parse("card:{number}"), "hash", ("spend",), max_age=60.0, updated="updated_at")
PACKED = Entity("route", KeyTemplate.parse("route:{origin}"), "packed", ("mean", "count"))


def as_redis_py_writes(*parts: str | bytes) -> bytes:
    """The bytes of a command."""
    return b"".join(Connection().pack_command(*parts))  # type: ignore[no-untyped-call]  # redis-py's gap


class Custom(Redis):
    """A real server with settings of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, free_port(BUS) if settings.get("cluster_enabled") == "yes" else None)
        self.settings = settings

    def client(self) -> redis.Redis:
        """A plain client of the server."""
        return redis.Redis(host="127.0.0.1", port=self.port)

    def _command(self) -> list[str]:
        extra = [part for name, value in self.settings.items() for part in (f"--{name.replace('_', '-')}", value)]
        return super()._command() + extra


class SentinelServer(Redis):
    """A sentinel that knows one master as `features`."""

    ready_line = b"+monitor master"

    def __init__(self, folder: Path, master: Redis, password: str) -> None:
        super().__init__(folder)
        self.master, self.password = master, password

    def _command(self) -> list[str]:
        lines = [f"port {self.port}", "bind 127.0.0.1", "protected-mode no", f"dir {self.folder.resolve()}"]
        lines.append(f"sentinel monitor features 127.0.0.1 {self.master.port} 1")
        lines.append(f"sentinel auth-pass features {self.password}")
        lines.append("sentinel down-after-milliseconds features 200")
        lines.append("sentinel failover-timeout features 1000")
        config = self.folder / "sentinel.conf"
        if not config.exists():
            config.write_text("\n".join(lines) + "\n")
        return [super()._command()[0], str(config), "--sentinel"]


class Fake:
    """A listening socket: each new connection follows the next script, and the last script serves all further ones."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self._scripts, self._context = list(scripts), context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self.connections: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's URL for `features.url`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, script), daemon=True).start()

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                connection.do_handshake()
            script(connection)
        except ssl.SSLError:
            self._stopped.wait(ALERT_SECONDS)  # closing at once could take the alert away from the client
            return
        except OSError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for closing in (self._listener, *self.connections):
            closing.close()


def answers(*replies: bytes) -> Script:
    """Sends the next reply whenever bytes arrive, and then the last one repeatedly."""

    def script(connection: socket.socket) -> None:
        number = 0
        while request := connection.recv(1 << 20):
            connection.sendall(replies[min(number, len(replies) - 1)] + proof(request))
            number += 1

    return script


def proof(request: bytes) -> bytes:
    """The reply to the PING that closes a request for features; none where there is none."""
    *_, text = [b"", *re.findall(rb"\$4\r\nPING\r\n\$32\r\n(\w{32})\r\n\Z", request)]
    return b"$32\r\n%b\r\n" % text if text else b""


def silent(connection: socket.socket) -> None:
    """Reads everything and never answers."""
    while connection.recv(1 << 20):
        pass


def knows(replies: Mapping[str, bytes | Callable[[list[bytes]], bytes]]) -> Script:
    """Answers each command by its name, and unknown ones with OK."""

    def script(connection: socket.socket) -> None:
        arrived = b""
        while data := connection.recv(1 << 20):
            arrived += data
            asked, arrived = _commands(arrived)
            for parts in asked:
                reply = replies.get(parts[0].decode(), b"+OK\r\n")
                connection.sendall(reply if isinstance(reply, bytes) else reply(parts))

    return script


def _commands(arrived: bytes) -> tuple[list[list[bytes]], bytes]:
    """Return the complete commands, and the remaining bytes."""
    asked = []
    while arrived:
        head, *rest = arrived.split(b"\r\n", 1)
        left, parts = rest[0] if rest else b"", []
        for _ in range(int(head[1:])):
            size, _, left = left.partition(b"\r\n")
            parts.append(left[: int(size[1:])])
            left = left[int(size[1:]) + 2 :]
        asked.append(parts)
        arrived = left
    return asked, arrived


def echoes(connection: socket.socket) -> None:
    """Echoes everything."""
    while data := connection.recv(1 << 20):
        connection.sendall(data)


def floods(head: bytes, piece: bytes, sent: list[int]) -> Script:
    """Sends an endless reply, and counts the bytes that were read."""

    def script(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            sent.append(len(piece))

    return script


def trickles(piece: bytes, pause_s: float) -> Script:
    """Sends a piece again and again, for ever."""

    def script(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        pause = threading.Event()
        while not pause.wait(pause_s):
            connection.sendall(piece)

    return script


def arrives(reply: bytes, pieces: int, pause_s: float) -> Script:
    """Sends a reply in pieces, whenever bytes arrive."""

    def script(connection: socket.socket) -> None:
        pause = threading.Event()
        while request := connection.recv(1 << 20):
            whole = reply + proof(request)
            size = -(-len(whole) // pieces)
            for start in range(0, len(whole), size):
                connection.sendall(whole[start : start + size])
                pause.wait(pause_s)

    return script


def forwards_to(port: int) -> Script:
    """Forwards the connection to a real server."""

    def script(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            threading.Thread(target=_pump, args=(far, connection), daemon=True).start()
            _pump(connection, far)

    return script


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
    except OSError:
        return
