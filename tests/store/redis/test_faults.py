"""Look-ups when servers and networks fail: they end in time, say why, and never mix up replies."""

import select
import socket
import ssl
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import redis
import trustme
from redis.connection import Connection

from scorer.errors import Unavailable
from scorer.sandbox import Redis
from scorer.sandbox.proxy import Network, Proxy
from scorer.store.protocol import Request, Store
from scorer.store.redis.connect import connect
from scorer.store.redis.link import _socket_of
from tests.store.redis.servers import (
    HASH,
    PACKED,
    Custom,
    Fake,
    Script,
    answers,
    arrives,
    forwards_to,
    proof,
    silent,
    trickles,
)

SHORT_MS = 100
LATE_MS = 1_000  # for what a busy machine delays
PLENTY_MS = 30_000
ONE = [Request(HASH, [b"a"])]


def seats(number: int) -> bytes:
    return b"*3\r\n$%d\r\n%d\r\n$-1\r\n$-1\r\n" % (len(str(number)), number)


def fetched(store: Store) -> float:
    return float(store.fetch(ONE, 0.0)[0].values[0, 0])


def test_a_refused_connection_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = connect(f"redis://127.0.0.1:{port}", PLENTY_MS)
    for call in (lambda: fetched(store), store.ping):
        with pytest.raises(Unavailable, match=rf"cannot connect to Redis at 127.0.0.1:{port}.*refused"):
            call()


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"cannot connect to Redis at nowhere.invalid:6379"):
        connect("redis://nowhere.invalid", PLENTY_MS).ping()


def test_a_missing_socket_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=rf"cannot connect to Redis at {tmp_path}/none"):
        connect(f"unix://{tmp_path}/none", PLENTY_MS).ping()


@pytest.mark.parametrize("login", ["", ":pw@", "user:pw@"])
@pytest.mark.parametrize("script", [silent, trickles(b"-", 0.01)])
def test_a_server_that_never_answers_times_out(script: Script, login: str) -> None:
    with Fake(script) as server:
        store = connect(f"redis://{login}127.0.0.1:{server.port}", SHORT_MS)
        for call in (lambda: fetched(store), store.ping):
            with pytest.raises(Unavailable, match=r"did not answer within 100 ms \(features.timeout_ms\)"):
                call()
        assert len(server.connections) == 2


def test_the_call_waits_for_a_long_reply_while_it_arrives() -> None:
    whole = seats(7)
    with Fake(arrives(whole, pieces=len(whole), pause_s=0.15)) as server:
        assert len(whole) * 150 > 2 * LATE_MS
        assert fetched(connect(f"redis://127.0.0.1:{server.port}", LATE_MS)) == 7


def test_the_rest_of_a_reply_is_not_waited_for_until_it_is_fetched() -> None:
    """A server may stall in the middle of a reply: a socket that is readable does not have all of it."""
    more, reply = threading.Event(), seats(7)

    def script(connection: socket.socket) -> None:
        connection.sendall(reply + proof(connection.recv(1 << 20)))
        request = connection.recv(1 << 20)
        connection.sendall(reply[:5])
        more.wait(60)
        connection.sendall(reply[5:] + proof(request))
        connection.recv(1)

    with Fake(script) as server:
        store, asked = connect(server.url, PLENTY_MS), ONE
        assert fetched(store) == 7
        descriptor = store.prefetch(asked)
        assert descriptor is not None
        assert select.select([descriptor], [], [], 60)[0]
        assert not store.arrived()
        more.set()
        while not store.arrived():
            assert select.select([descriptor], [], [], 60)[0]
        assert store.arrived()
        assert store.fetch(asked, 0.0)[0].values[0, 0] == 7
        assert len(server.connections) == 1


def test_what_breaks_before_it_is_fetched_is_asked_for_again() -> None:
    def breaks(connection: socket.socket) -> None:
        connection.sendall(seats(1) + proof(connection.recv(1 << 20)))
        connection.recv(1 << 20)
        connection.sendall(seats(1)[:5])
        connection.close()

    with Fake(breaks, answers(seats(2))) as server:
        store, asked = connect(server.url, PLENTY_MS), ONE
        assert fetched(store) == 1
        descriptor = store.prefetch(asked)
        assert descriptor is not None
        readable = select.poll()  # which takes a socket that was closed
        readable.register(descriptor)
        while not store.arrived():  # it is not, until the connection is known to be broken; then nothing is sent
            assert readable.poll(60_000)
        assert store.fetch(asked, 0.0)[0].values[0, 0] == 2


def test_a_frozen_server_times_out_and_is_used_again_once_it_recovers(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.hset("a", mapping={"seats": "1"})
    store = connect(own_redis.url, SHORT_MS * 5)
    assert fetched(store) == 1
    own_redis.pause()
    for _ in range(3):
        with pytest.raises(Unavailable, match=r"did not answer within 500 ms"):
            fetched(store)
    own_redis.resume()
    assert fetched(connect(own_redis.url, PLENTY_MS)) == 1
    own_redis.kill()
    with pytest.raises(Unavailable, match="cannot connect"):
        fetched(store)
    own_redis.start()
    assert fetched(connect(own_redis.url, PLENTY_MS)) == 1


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("LOADING Valkey is loading the dataset in memory", "loading its data from disk"),
        ("MASTERDOWN Link with MASTER is down", "replica-serve-stale-data"),
        ("CLUSTERDOWN The cluster is down", "CLUSTER INFO"),
        ("READONLY You can't write against a read only replica.", "at the master"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "maxmemory"),
        ("NOAUTH Authentication required.", "password into features.url"),
        ("NOPERM User u has no permissions to run the 'hmget' command", "grant the user"),
        ("MOVED 3999 127.0.0.1:6381", r"redis\+cluster"),
        ("ASK 3999 127.0.0.1:6381", r"redis\+cluster"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "moving"),
        ("ERR unknown command 'HMGET'", "unknown command"),
    ],
)
def test_a_server_is_unavailable_while_it_replies_with_errors(error: str, advice: str) -> None:
    with Fake(answers(f"-{error}\r\n".encode()), answers(seats(7))) as server:
        store = connect(server.url, PLENTY_MS)
        with pytest.raises(Unavailable, match=advice) as caught:
            fetched(store)
        assert error in str(caught.value)
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert fetched(store) == 7


def test_a_server_with_too_many_clients_is_unavailable(tmp_path: Path) -> None:
    with Custom(tmp_path, maxclients="1") as server, server.client() as first:
        first.ping()
        with pytest.raises(Unavailable, match="max number of clients reached"):
            connect(server.url, PLENTY_MS).ping()


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01", b"*4\r\n", b"+OK\r\n", seats(1) + b"$-1\r\n"]
)
def test_an_invalid_reply_closes_the_connection(nonsense: bytes) -> None:
    with Fake(answers(nonsense), answers(seats(7))) as server:
        store = connect(server.url, PLENTY_MS)
        with pytest.raises(
            Unavailable, match=r"does not answer as Redis does, with .*; check host, port and TLS"
        ) as refused:
            fetched(store)
        assert refused.value.shown.endswith("does not answer as Redis does; check host, port and TLS of features.url")
        assert fetched(store) == 7


def test_a_late_reply_is_never_used(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        for number in range(8):
            client.hset(f"h{number}", mapping={"seats": number})
            client.set(f"p{number}", struct.pack("<2f", number, number))
    with Proxy(own_redis.address) as proxy:
        store = connect(f"redis://{proxy.address}/0", SHORT_MS * 3)
        for number in range(8):
            requests = [Request(HASH, [b"h%d" % number]), Request(PACKED, [b"p%d" % number])]
            proxy.set(Network.HOLE)
            with pytest.raises(Unavailable, match="did not answer within"):
                store.fetch(requests, 0.0)
            proxy.set(Network.PASS)  # what was asked before is answered now
            hashes, packed = patiently(store, requests)
            assert hashes == packed == number


def patiently(store: Store, requests: list[Request]) -> tuple[float, float]:
    """Retry after a timeout on a slow machine; even then, no reply may belong to another request."""
    for _ in range(100):
        try:
            hashes, packed = store.fetch(requests, 0.0)
        except Unavailable:
            continue
        return float(hashes.values[0, 0]), float(packed.values[0, 0])
    raise AssertionError("never answered")


def test_a_reset_connection_is_unavailable_until_the_network_heals(own_redis: Redis) -> None:
    with Proxy(own_redis.address) as proxy:
        store = connect(f"redis://{proxy.address}/0", PLENTY_MS)
        store.ping()
        proxy.set(Network.RESET)
        for _ in range(2):
            with pytest.raises(Unavailable, match=f"127.0.0.1:{proxy.port}"):
                store.ping()
        proxy.set(Network.PASS)
        store.ping()


def once(reply: bytes) -> Script:
    """Answers one request, and closes the connection at the next."""

    def script(connection: socket.socket) -> None:
        connection.sendall(reply + proof(connection.recv(1 << 20)))
        connection.recv(1 << 20)
        connection.close()

    return script


def closes_connection(connection: socket.socket) -> None:
    connection.recv(1 << 20)
    connection.close()


def test_a_connection_that_went_stale_is_replaced_exactly_once() -> None:
    with Fake(once(seats(1)), once(seats(2)), closes_connection, once(seats(3))) as server:
        store = connect(server.url, PLENTY_MS)
        assert fetched(store) == 1
        assert fetched(store) == 2  # the first had been closed
        assert len(server.connections) == 2
        with pytest.raises(Unavailable, match="broke"):
            fetched(store)  # the second, and then the new one too
        assert len(server.connections) == 3
        assert fetched(store) == 3


def test_a_new_connection_that_breaks_is_not_retried() -> None:
    with Fake(closes_connection, answers(seats(1))) as server:
        store = connect(server.url, PLENTY_MS)
        with pytest.raises(Unavailable, match=r"the connection to Redis at .* broke: the server closed it"):
            fetched(store)
        assert len(server.connections) == 1
        assert fetched(store) == 1


def test_a_reply_that_arrives_byte_by_byte_is_read() -> None:
    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in seats(1234) + proof(connection.recv(1 << 20)):
            connection.sendall(bytes([byte]))

    with Fake(script) as server:
        assert fetched(connect(server.url, PLENTY_MS)) == 1234


def test_redis_py_still_exposes_its_socket() -> None:
    with Fake(silent) as server:
        connection = Connection(host="127.0.0.1", port=server.port, protocol=2, driver_info=None)  # type: ignore[no-untyped-call]
        connection.connect()  # type: ignore[no-untyped-call]
        assert _socket_of(connection).getpeername() == ("127.0.0.1", server.port)
        connection.disconnect()  # type: ignore[no-untyped-call]


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """The certificate of a TLS server, and the file of the authority that clients trust."""
    authority, trusted = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, trusted


def test_tls_options_in_the_url_are_used(
    redis_server: Redis, redis_url: str, authority: tuple[ssl.SSLContext, Path], tmp_path: Path
) -> None:
    context, trusted = authority
    numbers = list(range(5000))
    with redis.Redis.from_url(redis_url) as client, client.pipeline(transaction=False) as pipeline:
        for number in numbers:
            pipeline.hset(f"plane:{number}", mapping={"seats": number})
        pipeline.execute()
    request = [Request(HASH, [f"plane:{number}".encode() for number in numbers])]
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with Fake(forwards_to(redis_server.port), context=context) as server:
        at = f"127.0.0.1:{server.port}"
        store = connect(f"rediss://{at}?ssl_ca_certs={trusted}", PLENTY_MS)
        for _ in range(2):
            np.testing.assert_array_equal(store.fetch(request, 0.0)[0].values[:, 0], numbers)
        with pytest.raises(Unavailable, match="certificate verify failed"):
            connect(f"rediss://{at}?ssl_ca_certs={other}", PLENTY_MS).ping()
        with pytest.raises(Unavailable, match=f"Redis at {at}"):
            connect(f"redis://{at}", SHORT_MS).ping()
    with pytest.raises(Unavailable, match=f"Redis at {redis_server.address}"):
        connect(f"rediss://{redis_server.address}", SHORT_MS).ping()
