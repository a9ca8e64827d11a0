import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from scorer.sandbox import Network, Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1024):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy(f"127.0.0.1:{server.server_address[1]}") as between:
            yield between
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def echo(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        received += connection.recv(65536)
    return received


def test_bytes_pass_both_ways(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4000
    with connect(proxy) as connection:
        connection.settimeout(30)
        thread = threading.Thread(target=connection.sendall, args=[data])
        thread.start()
        received = b""
        while len(received) < len(data):
            received += connection.recv(65536)
        thread.join()
    assert received == data


def test_latency_is_added_in_each_direction(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.set(latency_s=0.1)
        start = time.monotonic()
        assert echo(connection, b"ping") == b"ping"
        assert time.monotonic() - start >= 0.2


def test_a_hole_keeps_connections_open_and_delivers_when_it_heals(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert echo(connection, b"one") == b"one"
        proxy.set(Network.HOLE)
        connection.sendall(b"two")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        proxy.set(Network.PASS)
        connection.settimeout(5)
        assert connection.recv(10) == b"two"


def test_a_reset_breaks_open_connections_and_new_ones_until_it_heals(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert echo(connection, b"one") == b"one"
        proxy.set(Network.RESET)
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    with pytest.raises(ConnectionResetError), connect(proxy) as connection:
        connection.recv(10)
    proxy.set(Network.PASS)
    with connect(proxy) as connection:
        assert echo(connection, b"two") == b"two"


def test_connections_to_a_dead_server_are_reset() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{closed.getsockname()[1]}"
        # The reset may come as early as while we connect.
        with Proxy(target) as proxy, pytest.raises(ConnectionResetError), connect(proxy) as connection:
            connection.recv(10)
