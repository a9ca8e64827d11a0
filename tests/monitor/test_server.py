import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from scorer.errors import Fatal
from scorer.monitor import Health, Metrics, Server, serve
from scorer.monitor.request import Request
from scorer.monitor.server import INDEX, MOST_CONNECTIONS
from scorer.settings import HttpSettings

FREE = HttpSettings(port=0)


@pytest.fixture
def health() -> Health:
    return Health(limit_s=60)


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    with serve(FREE, Metrics(), health) as server:
        yield server


def get(server: Server, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(server.url + path, method=method)  # noqa: S310  the server under test
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  the same
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_metrics_are_served(server: Server) -> None:
    status, content_type, body = get(server, "/metrics?from=prometheus")
    assert status == 200
    assert content_type.startswith("application/openmetrics-text")
    assert b'scorer_records_total{outcome="predicted"} 0.0\n' in body


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_health_is_a_status_code_and_json(server: Server, health: Health, path: str) -> None:
    health.heartbeat()
    status, content_type, body = get(server, path)
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)[path[1:]] is True


def test_not_ready_is_503_with_the_reason(server: Server, health: Health) -> None:
    health.heartbeat()
    health.set("assigned", ok=False, detail="no partition yet")
    status, _, body = get(server, "/ready")
    assert status == 503
    assert json.loads(body)["conditions"]["assigned"] == "no partition yet"
    assert get(server, "/live")[0] == 200


def test_a_stuck_loop_is_503() -> None:
    times = iter([0.0, 61.0])
    standing = Health(limit_s=60, clock=lambda: next(times))
    standing.heartbeat()
    with serve(FREE, Metrics(), standing) as server:
        assert get(server, "/live")[0] == 503


def test_the_index_and_an_unknown_path_list_the_pages(server: Server) -> None:
    assert get(server, "/")[0] == 200
    status, _, body = get(server, "/metric")
    assert status == 404
    assert all(path in body for path in (b"/metrics", b"/live", b"/ready"))


@pytest.mark.parametrize("path", ["/metrics", "/live", "/ready", "/", "/other"])
def test_head_has_the_status_without_the_body(server: Server, health: Health, path: str) -> None:
    health.heartbeat()
    assert get(server, path, "HEAD") == (*get(server, path)[:2], b"")


def test_a_silent_client_does_not_block_others(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /metrics HT")
        assert get(server, "/")[0] == 200


def exchange(server: Server, sent: bytes) -> bytes:
    """Send something, and return all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("sent", [b"G", b"GET /live HTTP/1.1\r\nX: ", b""])
def test_any_number_of_slow_clients_does_not_block_probes(server: Server, health: Health, sent: bytes) -> None:
    health.heartbeat()
    threads = threading.active_count()
    with ExitStack() as stack:
        for _ in range(3 * MOST_CONNECTIONS):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            slow.sendall(sent)
        assert get(server, "/live")[0] == 200
        assert get(server, "/metrics")[0] == 200
        assert len(server._connections) <= MOST_CONNECTIONS
        assert threading.active_count() == threads


def test_a_request_that_trickles_in_times_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer.monitor.connection.REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        slow.settimeout(0.05)
        answer = b""
        while not answer:
            slow.sendall(b"A: b\r\n")
            with suppress(TimeoutError):
                answer = slow.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_client_that_does_not_read_its_response_is_disconnected(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.monitor.connection.RESPONSE_SECONDS", 0.5)
    monkeypatch.setattr(Metrics, "render", lambda *_: (bytes(50_000_000), "text/plain"))
    with serve(FREE, Metrics(), health) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as deaf:
            deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            deaf.recv(1)
            while server._connections:
                time.sleep(0.05)
        assert get(server, "/")[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"<script>secret</script> / HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"SECRET / HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /secret HTTP/7.7\r\n\r\n", b"505 HTTP Version Not Supported"),
        (b"GET /secret HTTP/1.1\r\nsecret: secret\r\n\r\n", b"404 Not Found"),
        (b"GET / HTTP/1.1\r\nsecret: " + b"secret" * 9_000, b"431 Request Header Fields Too Large"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400 Bad Request"),
    ],
)
def test_an_unsupported_request_is_refused_without_repeating_it(server: Server, sent: bytes, status: bytes) -> None:
    answer = exchange(server, sent)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"secret" not in answer.lower()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert (b"\r\nAllow: GET, HEAD\r\n" in answer) == status.startswith(b"405")


def test_a_body_and_the_bytes_after_it_are_not_mistaken_for_requests(server: Server) -> None:
    body = b"GET /live HTTP/1.1\r\n\r\n" * 400
    for head in (b"GET / HTTP/1.1\r\nContent-Length: 9600\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        answer = exchange(server, head + body)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.endswith(INDEX)


def test_the_scrapes_of_a_second_share_one_rendering_of_each_format(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []

    def render(_: Metrics, accept: str) -> tuple[bytes, str]:
        rendered.append(accept)
        return b"", accept

    monkeypatch.setattr(Metrics, "render", render)
    accepted = ("", "text/plain;version=0.0.4", "application/openmetrics-text, text/plain")
    moments = [moment for moment in (10.0, 10.5, 10.9, 11.0, 11.9) for _ in accepted]
    clock = iter([*moments, 11.9])
    with closing(Server("127.0.0.1", 0, Metrics(), health, clock=lambda: next(clock))) as server:
        for _, accept in zip(moments, accepted * len(moments), strict=False):
            server.answer(Request("GET", "/metrics", accept))
        assert rendered == ["", "text/plain"] * 2
        server.answer(Request("GET", "/metrics", fresh=True))
        assert rendered == ["", "text/plain", "", "text/plain", ""]


def test_a_page_that_cannot_be_rendered_is_500_and_others_still_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Metrics, "render", lambda *_: 1 / 0)
    assert get(server, "/metrics")[0] == 500
    assert get(server, "/")[0] == 200


def test_a_port_in_use_is_reported_with_the_setting(server: Server, health: Health) -> None:
    with pytest.raises(
        Fatal, match=rf"http\.port: port {server.port} of 127\.0\.0\.1 is taken; choose a free http\.port"
    ):
        serve(HttpSettings(port=server.port), Metrics(), health).__enter__()


def test_an_address_of_another_machine_is_reported_with_the_setting(health: Health) -> None:
    with pytest.raises(Fatal, match=r"cannot listen on 192\.0\.2\.1:0 .*http\.host"):
        serve(HttpSettings(host="192.0.2.1", port=0), Metrics(), health).__enter__()


def test_the_port_is_free_again_afterwards(health: Health) -> None:
    with serve(FREE, Metrics(), health) as first:
        port = first.port
    with serve(HttpSettings(port=port), Metrics(), health) as second:
        assert second.port == port
