import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from scorer.errors import Fatal
from scorer.monitor import Health, Metrics, Server, serve


@pytest.fixture
def health() -> Health:
    return Health(limit_s=60)


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    with serve("127.0.0.1", 0, Metrics(), health) as server:
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
def test_health_is_a_status_and_words(server: Server, health: Health, path: str) -> None:
    health.turned()
    status, content_type, body = get(server, path)
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)[path[1:]] is True


def test_not_ready_is_503_with_the_reason(server: Server, health: Health) -> None:
    health.turned()
    health.set("assigned", ok=False, detail="no partition yet")
    status, _, body = get(server, "/ready")
    assert status == 503
    assert json.loads(body)["conditions"]["assigned"] == "no partition yet"
    assert get(server, "/live")[0] == 200


def test_a_loop_that_stands_is_503() -> None:
    times = iter([0.0, 61.0])
    standing = Health(limit_s=60, clock=lambda: next(times))
    standing.turned()
    with serve("127.0.0.1", 0, Metrics(), standing) as server:
        assert get(server, "/live")[0] == 503


def test_the_index_and_an_unknown_path_list_what_there_is(server: Server) -> None:
    assert get(server, "/")[0] == 200
    status, _, body = get(server, "/metric")
    assert status == 404
    assert all(path in body for path in (b"/metrics", b"/live", b"/ready"))


@pytest.mark.parametrize("path", ["/metrics", "/live", "/ready", "/", "/other"])
def test_head_has_the_status_without_the_body(server: Server, health: Health, path: str) -> None:
    health.turned()
    assert get(server, path, "HEAD") == (*get(server, path)[:2], b"")


def test_a_silent_client_holds_up_no_other(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /metrics HT")
        assert get(server, "/")[0] == 200


def test_a_taken_port_is_named_with_the_setting(server: Server, health: Health) -> None:
    with pytest.raises(
        Fatal, match=rf"http\.port: port {server.port} of 127\.0\.0\.1 is taken; choose a free http\.port"
    ):
        serve("127.0.0.1", server.port, Metrics(), health).__enter__()


def test_an_address_of_another_machine_is_named_with_the_setting(health: Health) -> None:
    with pytest.raises(Fatal, match=r"cannot listen on 192\.0\.2\.1:0 .*http\.host"):
        serve("192.0.2.1", 0, Metrics(), health).__enter__()


def test_the_port_is_free_again_afterwards(health: Health) -> None:
    with serve("127.0.0.1", 0, Metrics(), health) as first:
        port = first.port
    with serve("127.0.0.1", port, Metrics(), health) as second:
        assert second.port == port
