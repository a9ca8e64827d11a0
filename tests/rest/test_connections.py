"""Connections: many at a time, and those of which a client has closed its half."""

import json
import resource
import selectors
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from tests.api.example import row
from tests.rest.served import PATIENCE, Served
from tests.rest.test_equality import plain

MANY = 10_000
SPARE = 500  # descriptors for all else
MOST_BYTES = 20_000  # of memory for a connection
BODY = json.dumps(plain(row())).encode()
REQUEST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def connection(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def received(client: socket.socket) -> bytes:
    """Return what arrives until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_closes_its_half_gets_its_answers(parcels: Served, requests: int) -> None:
    with connection(parcels) as client:
        client.sendall(REQUEST * requests)
        client.shutdown(socket.SHUT_WR)
        answers = received(client)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == answers.count(b'"event_id": "p1"') == requests


@pytest.mark.parametrize("sent", [b"", REQUEST[:30], REQUEST[:-1]])
def test_a_client_that_closes_its_half_too_early_gets_nothing(parcels: Served, sent: bytes) -> None:
    """At once: nobody waits for what cannot come."""
    with connection(parcels) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert received(client) == b""


@pytest.mark.prove
def test_ten_thousand_connections(parcels_config: Path, tmp_path: Path) -> None:
    """Each gets its answers, twice, and memory does not grow from one turn to the next."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    many = MANY if most == resource.RLIM_INFINITY else min(MANY, most - SPARE)
    assert many > 1_000, f"the hard limit of open files is {most:,}: raise it (ulimit -Hn) above {MANY + SPARE:,}"
    with Served(parcels_config, tmp_path / "log") as server, ExitStack() as stack:
        server.until_ready()
        with connection(server) as client:
            assert asked(server, [client]) == 1
        before = server.memory
        clients = [stack.enter_context(connection(server)) for _ in range(many)]
        memory = list[int]()
        for _ in range(2):
            answered = sum(asked(server, clients[first : first + 500]) for first in range(0, many, 500))
            assert answered == many
            memory.append(server.memory)
        assert memory[0] - before < many * MOST_BYTES
        assert memory[1] - memory[0] < many * MOST_BYTES / 10


def asked(server: Served, clients: list[socket.socket]) -> int:
    """Ask over all connections at a time; return how many answers were right."""
    right = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.sendall(REQUEST)
            selector.register(client, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            ready = selector.select(PATIENCE)
            assert ready, f"{len(selector.get_map())} connections got no answer; log:\n{server.log.read_text()[-3000:]}"
            for key, _ in ready:
                answering = cast("socket.socket", key.fileobj)
                key.data.extend(answering.recv(65_536))
                head, _, body = bytes(key.data).partition(b"\r\n\r\n")
                if body.endswith(b"}"):
                    right += head.startswith(b"HTTP/1.1 200 OK") and json.loads(body)["event_id"] == "p1"
                    selector.unregister(answering)
    return right
