"""The server itself: limits, problems, access, health, and how it stops."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import yaml

from scorer.cli import main
from scorer.sandbox import Redis
from tests.api.example import row, store, write_example
from tests.certificates import pair, trusted
from tests.docs.pages import ROOT
from tests.rest.served import PATIENCE, Served, ask, serving_only
from tests.rest.test_equality import plain

GOLDEN = [json.loads(line) for line in (ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()]
NOTHING = {"plane": None, "route": None, "weather": None}
TOKEN = "t0ken-of-tests"  # noqa: S105  of a server that lives for one test


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of parcels with small limits and a token."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "token").write_text(f"{TOKEN}\n")
    with Redis(folder / "redis") as redis:
        store(redis.url)
        limits: dict[str, object] = {
            "token_file": "token",
            "max_bytes": 2_000,
            "max_rows": 3,
            "max_requests": 2,
            "timeout_ms": 1_500,
        }
        config = serving_only(write_example(folder, redis.url), **limits)
        with Served(config, folder / "log") as server:
            server.until_ready()
            yield server


def test_golden_events_with_their_features_need_no_redis(flights_config: Path, tmp_path: Path) -> None:
    """Every batch brings all features: the store, which is not there, is never asked."""
    events = [each["event"] | {"features": NOTHING | each["features"]} for each in GOLDEN]
    with Served(flights_config, tmp_path / "log") as server:
        found = server.ask("/score", events).json
        assert [each["score"] for each in found] == pytest.approx([each["score"] for each in GOLDEN], rel=1e-6)
        reply = server.ask("/score", GOLDEN[0]["event"])
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.headers["content-type"] == "application/problem+json"
        assert "cannot connect to Redis" in reply.json["detail"]
        assert server.ask("/score", events[0]).status == 200
        ready = server.ask("/ready")
        assert (ready.status, ready.json) == (503, {"ready": False, "failed": ["features"]})
        assert server.ask("/live").status == 200


def test_check_and_config_know_a_server_without_a_stream(
    flights_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "-c", str(flights_config), "--offline"]) == 0
    assert "ready to run" in capsys.readouterr().err
    assert main(["config", "-c", str(flights_config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["kafka"] is None
    assert main(["run", "-c", str(flights_config)]) == 2
    assert "kafka: missing; expected a group: only `scorer serve` does without" in capsys.readouterr().err


def test_a_bad_row_is_told_with_its_field_value_and_expectation(parcels: Served) -> None:
    event = plain(row())
    reply = parcels.ask("/score", event | {"pieces": "three"})
    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
    assert (reply.json["title"], reply.json["status"]) == ("Unprocessable Entity", 422)
    (error,) = reply.json["errors"]
    assert error == {
        "row": 0,
        "reason": "bad-value",
        "detail": 'pieces: "three"; expected a whole number of 32 bits',
        "field": "pieces",
        "value": '"three"',
        "expected": "a whole number of 32 bits",
    }


@pytest.mark.parametrize(
    ("features", "field", "value", "expected"),
    [
        (3, "features", "3", "an object: entity -> feature -> number"),
        ({"shop": 3}, "features.shop", "3", "an object: feature -> number, or null"),
        ({"shop": {"sales": "a"}}, "features.shop.sales", '"a"', "a number or null"),
        ({"shop": {"sales": 1e39}}, "features.shop.sales", "1e+39", "a number or null"),
        ({"shop": {"sale": 1}}, "features.shop.sale", "the plan has no such feature", "did you mean 'sales'?"),
        ({"shops": {}}, "features.shops", "the plan has no such entity", "did you mean 'shop'?"),
    ],
)
def test_bad_features_beside_an_event_are_told(
    parcels: Served, features: object, field: str, value: str, expected: str
) -> None:
    (error,) = parcels.ask("/score", plain(row()) | {"features": features}).json["errors"]
    assert (error["field"], error["value"], error["expected"]) == (field, value, expected)


def test_in_a_list_each_bad_row_is_told_in_its_place(parcels: Served) -> None:
    event = plain(row())
    first, second, third = parcels.ask("/score", [event, event | {"size": "XL"}, event]).json
    assert first["score"] == third["score"] is not None
    assert (second["score"], second["reason"], second["detail"]) == (
        None,
        "bad-value",
        'size: "XL"; expected one of S, M, L',
    )
    assert "reason" not in first


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "the body is not JSON in UTF-8"),
        (b"{", 400, "the body is not JSON in UTF-8"),
        (b'{"id": "\xff"}', 400, "the body is not JSON in UTF-8"),
        (b"[" * 100_000, 400, "the body is nested too deeply"),
        (b"9" * 5_000, 400, "the body is not JSON in UTF-8"),
        (b"3", 400, "row 0: found 3; expected an object"),
        (b'[{"id": "p"}, [1]]', 400, "row 1: found [1]; expected an object, as all rows are"),
        (b"{}", 422, "1 of 1 rows cannot be scored; row 0: id: absent"),
    ],
)
def test_a_body_that_is_no_event_gets_a_problem_document(
    parcels: Served, body: bytes, status: int, detail: str
) -> None:
    reply = parcels.ask("/score", body)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json["detail"].startswith(detail)


def test_paths_and_methods_that_there_are_not(parcels: Served) -> None:
    assert parcels.ask("/nothing").status == 404
    reply = parcels.ask("/score")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert parcels.ask("/score", [], method="PUT").status == 405
    assert parcels.ask("/score", []).json == []
    assert parcels.ask("/live", method="HEAD").body == b""


def test_requests_and_rows_are_counted(parcels: Served) -> None:
    parcels.ask("/score", plain(row()))
    text = parcels.ask("/metrics", Accept="text/plain").body.decode()
    assert 'scorer_http_requests_total{dialect="own",status="200"}' in text
    assert 'scorer_features_total{entity="shop",result="hit"}' in text
    assert 'scorer_model_info{arm="champion",model="parcels",version="1"} 1.0' in text


def test_only_health_pages_answer_without_the_token(limited: Served) -> None:
    for path, body in (("/score", plain(row())), ("/metrics", None)):
        reply = limited.ask(path, body)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="scorer"')
        reply = limited.ask(path, body, Authorization="Bearer wrong")
        assert reply.headers["www-authenticate"] == 'Bearer realm="scorer", error="invalid_token"'
        assert limited.ask(path, body, Authorization=f"Bearer {TOKEN}").status == 200
    assert limited.ask("/ready").status == limited.ask("/live").status == 200


def test_what_is_too_large_is_refused(limited: Served) -> None:
    event = plain(row())
    reply = limited.ask("/score", [event] * 4, Authorization=f"Bearer {TOKEN}")
    assert (reply.status, "serve.max_rows" in reply.json["detail"]) == (413, True)
    reply = limited.ask("/score", b"x" * 2_001, Authorization=f"Bearer {TOKEN}")
    assert (reply.status, "serve.max_bytes" in reply.json["detail"]) == (413, True)
    chunks = iter([b"x" * 1_000] * 3)  # without a declared length
    connection = limited.connect()
    connection.request("POST", "/score", chunks, {"Authorization": f"Bearer {TOKEN}"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    reply = limited.ask("/score", b"", Authorization=f"Bearer {TOKEN}", Content_Encoding="gzip")
    assert reply.status == 415


def slow(server: Served) -> socket.socket:
    """A client that begins a request and does not finish it."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    head = f"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n["
    client.sendall(head.encode())
    return client


def test_too_many_requests_are_refused_at_once_and_slow_ones_end(limited: Served) -> None:
    with slow(limited) as one, slow(limited) as two:
        begun = time.monotonic()
        deadline = begun + PATIENCE
        while (reply := limited.ask("/score", plain(row()), Authorization=f"Bearer {TOKEN}")).status == 200:
            assert time.monotonic() < deadline, "both slow requests are under way, and a third was not refused"
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        for client in (one, two):
            assert client.recv(65_536).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert limited.ask("/score", plain(row()), Authorization=f"Bearer {TOKEN}").status == 200


def test_a_head_that_does_not_arrive_ends_its_connection(limited: Served) -> None:
    idle = limited.connect()  # between two requests, for as long: it stays
    assert ask(idle, "/live").status == 200
    with socket.create_connection(("127.0.0.1", limited.port), timeout=PATIENCE) as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost:")
        assert client.recv(1) == b""
    assert ask(idle, "/live").status == 200
    idle.close()


def test_a_client_that_leaves_disturbs_nobody(limited: Served) -> None:
    slow(limited).close()
    assert limited.ask("/score", plain(row()), Authorization=f"Bearer {TOKEN}").status == 200


def test_a_paused_store_is_a_503_and_a_request_may_be_asked_again(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as redis:
        store(redis.url)
        config = serving_only(write_example(tmp_path, redis.url))
        document = yaml.safe_load(config.read_text())
        document["features"]["timeout_ms"] = 200
        config.write_text(yaml.safe_dump(document))
        with Served(config, tmp_path / "log") as server:
            server.until_ready()
            before = server.ask("/score", plain(row())).json
            redis.pause()
            reply = server.ask("/score", plain(row()))
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert server.ask("/ready").status == 503
            assert server.ask("/live").status == 200
            redis.resume()
            deadline = time.monotonic() + PATIENCE
            while (reply := server.ask("/score", plain(row()))).status != 200:
                assert (reply.status, time.monotonic() < deadline) == (503, True)
            assert (reply.json["score"], reply.json["missing"]) == (before["score"], before["missing"])
            assert server.ask("/ready").status == 200


def test_a_stop_answers_what_is_under_way(parcels_config: Path, tmp_path: Path) -> None:
    """A request whose body is still arriving when SIGTERM comes is finished; new connections are refused."""
    body = json.dumps(plain(row())).encode()
    with Served(parcels_config, tmp_path / "log") as server:
        server.until_ready()
        idle = server.connect()
        ask(idle, "/live")
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
            client.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
            deadline = time.monotonic() + PATIENCE
            while b"scorer_http_requests_under_way 2.0" not in server.ask("/metrics").body:
                assert time.monotonic() < deadline
            server.terminate()
            assert idle.sock.recv(1) == b""  # closed at once, since nothing is asked there
            client.sendall(body[10:])
            reply = b"".join(iter(lambda: client.recv(65_536), b""))
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["event_id"] == "p1"
        assert server.ended() == 0
        assert server.lines[-1]["event"] == "stopped: every request under way was answered"


def test_many_connections_get_their_own_answers(parcels: Served) -> None:
    """Requests of all connections are scored together; each answer is that of its own event."""
    wrong = list[object]()

    def client(number: int) -> None:
        connection = parcels.connect()
        for turn in range(20):
            name = f"{number}-{turn}"
            found = ask(connection, "/score", plain(row(id=name, amount=float(number)))).json
            if (found["event_id"], found["score"]) != (name, scores[number]):
                wrong.append(found)
        connection.close()

    scores = [parcels.ask("/score", plain(row(amount=float(number)))).json["score"] for number in range(8)]
    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.prove
def test_tls_with_client_certificates(parcels_config: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    own, mine = pair(authority, tmp_path, "server", "127.0.0.1"), pair(authority, tmp_path, "client", "client")
    tls = {"certificate": str(own.certificate), "key": str(own.key), "client_ca": str(trusted(authority, tmp_path))}
    document = yaml.safe_load(parcels_config.read_text())
    config = parcels_config.with_name("tls.yaml")
    config.write_text(yaml.safe_dump(document | {"serve": {"tls": tls}}))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Served(config, tmp_path / "log") as server:
        assert server.url.startswith("https://")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            server.ask("/live", context=context)
        context.load_cert_chain(mine.certificate, mine.key)
        assert server.ask("/score", plain(row()), context=context).json["event_id"] == "p1"
        before = _certificate(server, context)
        pair(authority, tmp_path, "server", "127.0.0.1")  # replaces the files
        deadline = time.monotonic() + PATIENCE
        while _certificate(server, context) == before:
            assert time.monotonic() < deadline, "the new certificate was not taken up"
            time.sleep(0.1)


def _certificate(server: Served, context: ssl.SSLContext) -> bytes:
    plain_socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    with context.wrap_socket(plain_socket, server_hostname="127.0.0.1") as client:
        return client.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        ({"tls": {"certificate": "absent.pem"}}, "serve.tls: "),
        ({"token_file": "absent"}, "serve.token_file: "),
        ({"host": "192.0.2.1"}, "serve.host: cannot listen on 192.0.2.1:8080"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    parcels_config: Path, capsys: pytest.CaptureFixture[str], serve: dict[str, object], told: str
) -> None:
    document = yaml.safe_load(parcels_config.read_text())
    config = parcels_config.with_name("wrong.yaml")
    config.write_text(yaml.safe_dump(document | {"serve": serve}))
    assert main(["serve", "-c", str(config)]) in {1, 2}
    assert told in capsys.readouterr().err
