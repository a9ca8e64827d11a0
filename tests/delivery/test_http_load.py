"""Slow and greedy HTTP clients while a replica scores: it scores on, and its probes answer."""

import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from scorer.sandbox.server import HOST, free_port
from tests.certificates import pair
from tests.conftest import mainly
from tests.delivery.conftest import MakeWorld

CLIENTS = 500
EVENTS = 60_000
BURST = 5_000


@contextmanager
def slow_clients(port: int) -> Iterator[None]:
    """Keep many connections open that send little, and one that sends a request line without an end."""
    done = threading.Event()

    def trickle() -> None:
        with ExitStack() as stack:
            clients: list[socket.socket] = []
            while not done.is_set():
                with suppress(OSError):
                    clients.append(stack.enter_context(socket.create_connection((HOST, port), timeout=30)))
                for client in clients[-CLIENTS:]:
                    with suppress(OSError):
                        client.send(b"\x16")
                for client in clients[:-CLIENTS]:
                    client.close()
                del clients[:-CLIENTS]
                done.wait(0.001)

    def flood() -> None:
        while not done.is_set():
            with suppress(OSError), socket.create_connection((HOST, port), timeout=30) as greedy:
                greedy.sendall(b"GET /" + b"x" * 1_000_000)
            done.wait(0.1)

    threads = [threading.Thread(target=work, daemon=True) for work in (trickle, flood)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.prove
@pytest.mark.parametrize("scheme", mainly("https", ("http", "https")))
def test_scoring_and_probes_continue_under_http_load(make_world: MakeWorld, tmp_path: Path, scheme: str) -> None:
    port, authority = free_port(), trustme.CA()
    # A busy machine must not be taken for unavailable servers.
    patience = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 3_000}
    settings: dict[str, object] = {"http__port": port, "kafka__properties": patience, "features__timeout_ms": 30_000}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if scheme == "https":
        own = pair(authority, tmp_path, "server", HOST)
        settings["http__tls"] = {"certificate": str(own.certificate), "key": str(own.key)}
    world = make_world(**settings)
    replica = world.start()
    world.send(range(BURST))
    world.wait(BURST)

    def page(path: str) -> str:
        url = f"{scheme}://{HOST}:{port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=30, context=context if scheme == "https" else None) as answer:  # noqa: S310  the replica
                return str(answer.read().decode())
        except urllib.error.HTTPError as refused:  # not ready: the page says why
            return refused.read().decode()

    with slow_clients(port):
        for start in range(BURST, EVENTS, BURST):
            world.send(range(start, start + BURST))
            ready = page("/ready")
            assert '"ready": true' in ready, ready
        world.wait(EVENTS)
        assert "scorer_records_total" in page("/metrics")
    assert world.stop(replica) == 0
    assert world.verify().repeated == 0
    assert "lost" not in world.log()
