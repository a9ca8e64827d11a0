"""A proxy before a broker, for writes that the broker appends, but whose acknowledgement never comes back."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from scorer.sandbox.server import HOST

PRODUCE = b"\0\0"  # the number of this request in Kafka's protocol
LENGTH = struct.Struct(">i")  # before each request and each answer


class Acknowledgements(ThreadingTCPServer):
    """Forwards connections to a broker, and ends one instead of forwarding an acknowledgement that is to be lost."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Connection)
        self.port = int(self.server_address[1])
        self.broker = 0  # its port
        self._losing = threading.Event()
        self.lost = threading.Event()  # whether an acknowledgement was lost since `lose_next`

    def lose_next(self) -> None:
        """Lose the next acknowledgement."""
        self.lost.clear()
        self._losing.set()

    def loses(self) -> bool:
        """Whether this acknowledgement is to be lost; the next one is not."""
        if not self._losing.is_set():
            return False
        self._losing.clear()
        self.lost.set()
        return True


class _Connection(BaseRequestHandler):
    server: Acknowledgements

    def handle(self) -> None:
        try:
            self._broker = socket.create_connection((HOST, self.server.broker))
        except OSError:  # it has ended
            return
        self._writes: set[bytes] = set()  # the numbers that the client gave to its writes
        threading.Thread(target=self._answer, daemon=True).start()
        with suppress(OSError):
            for request in _messages(self.request):
                if request[:2] == PRODUCE:
                    self._writes.add(request[4:8])
                self._broker.sendall(LENGTH.pack(len(request)) + request)
        self._end()

    def _answer(self) -> None:
        with suppress(OSError):
            for answer in _messages(self._broker):
                if answer[:4] in self._writes and self.server.loses():
                    break
                self.request.sendall(LENGTH.pack(len(answer)) + answer)
        self._end()

    def _end(self) -> None:
        for side in (self.request, self._broker):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def _messages(side: socket.socket) -> Iterator[bytes]:
    """Read requests or answers until the connection ends.

    Raises:
        OSError: it was reset.
    """
    with side.makefile("rb") as stream:
        while len(length := stream.read(LENGTH.size)) == LENGTH.size:
            yield stream.read(*LENGTH.unpack(length))


@contextmanager
def acknowledgements() -> Iterator[Acknowledgements]:
    """Run the proxy; give it the port of its broker."""
    with Acknowledgements() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
