"""The token and TLS of the HTTP server."""

import hmac
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from scorer.errors import Misconfigured
from scorer.monitor import Health, Metrics, Server, serve
from scorer.monitor.request import Request
from scorer.monitor.server import INDEX, MOST_CONNECTIONS
from scorer.settings import HttpSettings, HttpTlsSettings
from tests.certificates import Pair, pair, put

TOKEN = "a.b-c~d+e/f=="  # noqa: S105  of a server that lives for one test


@pytest.fixture
def health() -> Health:
    health = Health(limit_s=60)
    health.heartbeat()
    health.set("kafka", ok=False, detail="broker-7 does not answer")
    return health


@dataclass
class Https:
    """A server with TLS, and what its clients and its owner have."""

    server: Server
    authority: trustme.CA
    pair: Pair

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        return self.context().wrap_socket(plain, server_hostname="127.0.0.1")

    def exchange(self, sent: bytes) -> bytes:
        with self.connect() as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.fixture
def https(health: Health, tmp_path: Path) -> Iterator[Https]:
    authority = trustme.CA()
    own = pair(authority, tmp_path, "server", "127.0.0.1")
    tls = HttpTlsSettings(certificate=own.certificate, key=own.key)
    with serve(HttpSettings(port=0, tls=tls), Metrics(), health) as server:
        yield Https(server, authority, own)


def get(
    url: str, authorization: str | None = None, context: ssl.SSLContext | None = None, method: str = "GET"
) -> tuple[int, str | None, bytes]:
    """Return the status, the challenge and the body of a response."""
    headers = {} if authorization is None else {"Authorization": authorization}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310  the server under test
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310  the same
            return answer.status, answer.headers["WWW-Authenticate"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["WWW-Authenticate"], error.read()


@pytest.fixture(params=["token", "file"])
def guarded(request: pytest.FixtureRequest, health: Health, tmp_path: Path) -> Iterator[Server]:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    chosen = HttpSettings(port=0, token=TOKEN) if request.param == "token" else HttpSettings(port=0, token_file=file)
    with serve(chosen, Metrics(), health) as server:
        yield server


@pytest.mark.parametrize("path", ["/metrics", "/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_is_served_only_with_the_token(guarded: Server, path: str, method: str) -> None:
    url = guarded.url + path
    assert get(url, method=method)[:2] == (401, 'Bearer realm="scorer"')
    wrong = [f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", "Bearer \xe9"]
    for authorization in wrong:
        status, challenge, body = get(url, authorization, method=method)
        assert (status, challenge) == (401, 'Bearer realm="scorer", error="invalid_token"'), authorization
        assert body == (b"Unauthorized\n" if method == "GET" else b"")
    for authorization in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
        assert get(url, authorization, method=method)[:2] == (404 if path == "/nothing" else 200, None)


def test_probes_need_no_token_but_get_no_details_without_it(guarded: Server) -> None:
    for authorization in (None, "Bearer wrong"):
        status, _, body = get(f"{guarded.url}/ready", authorization)
        assert (status, json.loads(body)) == (503, {"ready": False, "failed": ["kafka"]})
        status, _, body = get(f"{guarded.url}/live", authorization)
        assert (status, json.loads(body)) == (200, {"live": True})
    status, _, body = get(f"{guarded.url}/ready", f"Bearer {TOKEN}")
    assert (status, json.loads(body)["conditions"]["kafka"]) == (503, "broker-7 does not answer")


@pytest.mark.parametrize("content", ["s3cret \n", "two words", "s\xe9cret", " "])
def test_a_token_file_with_a_token_that_no_client_can_send_is_refused(
    content: str, health: Health, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(Misconfigured, match=r"http\.token_file: .*no client can send; expected printable") as refused:
        serve(HttpSettings(port=0, token_file=tmp_path / "token"), Metrics(), health).__enter__()
    assert "cret" not in str(refused.value)


def test_missing_files_are_reported_together(health: Health, tmp_path: Path) -> None:
    http = HttpSettings(token_file=tmp_path / "token", tls=HttpTlsSettings(certificate=tmp_path / "server.pem"))
    with pytest.raises(Misconfigured) as refused:
        serve(http, Metrics(), health).__enter__()
    assert [problem.where for problem in refused.value.problems] == ["http.token_file", "http.tls"]


def test_tokens_are_compared_in_constant_time(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    digest = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return digest(one, other)

    monkeypatch.setattr("scorer.monitor.access.hmac.compare_digest", compare)
    assert guarded.answer(Request("GET", "/metrics", authorization="Bearer guess")).status == 401
    assert compared == [(b"guess", TOKEN.encode())]


def test_the_token_is_not_in_the_repr_of_a_request() -> None:
    assert "hush" not in repr(Request("GET", "/", authorization="Bearer hush"))


def test_a_token_file_is_reread_and_the_last_token_kept_if_it_is_gone(health: Health, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    with serve(HttpSettings(port=0, token_file=file), Metrics(), health) as server:

        def status(token: str) -> int:
            return get(f"{server.url}/metrics", f"Bearer {token}")[0]

        assert (status("first"), status("second")) == (200, 401)
        put(file, "second")
        assert (status("first"), status("second")) == (401, 200)
        put(file, "")
        assert (status(""), status("second")) == (401, 200)
        file.unlink()
        assert status("second") == 200


@pytest.mark.parametrize(
    ("content", "what"), [(None, "cannot be read: No such file"), ("\n", "is empty"), (b"\xff", "is not UTF-8")]
)
def test_a_token_file_without_a_token_is_refused_at_startup(
    health: Health, tmp_path: Path, content: str | bytes | None, what: str
) -> None:
    if content is not None:
        put(tmp_path / "token", content)
    with pytest.raises(Misconfigured, match=f"http.token_file: .*token {what}.*; expected a file with the secret"):
        serve(HttpSettings(port=0, token_file=tmp_path / "token"), Metrics(), health).__enter__()


def test_pages_are_served_over_tls(https: Https) -> None:
    assert https.server.url.startswith("https://")
    assert get(f"{https.server.url}/live", context=https.context())[0] == 200
    assert b"scorer_records_total" in get(f"{https.server.url}/metrics", context=https.context())[2]
    with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
        get(f"{https.server.url}/live", context=ssl.create_default_context())


def test_a_plain_request_to_the_tls_port_gets_no_page(https: Https) -> None:
    with socket.create_connection(("127.0.0.1", https.server.port), timeout=30) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        try:
            said = b"".join(iter(lambda: plain.recv(65_536), b""))
        except ConnectionResetError:
            said = b""
    assert b"scorer" not in said
    assert get(f"{https.server.url}/live", context=https.context())[0] == 200


def test_a_head_in_a_single_tls_record_is_read_completely(https: Https) -> None:
    answer = https.exchange(b"GET / HTTP/1.1\r\nA: " + b"x" * 8_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(INDEX)


def test_a_request_body_over_tls_does_not_truncate_the_response(https: Https) -> None:
    answer = https.exchange(b"GET / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n" + bytes(9_000))
    assert answer.endswith(INDEX)


def test_a_large_page_is_served_completely_over_tls(https: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    page = bytes(range(256)) * 40_000
    monkeypatch.setattr(Metrics, "render", lambda *_: (page, "text/plain"))
    assert get(f"{https.server.url}/metrics", context=https.context())[2] == page


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET "])
def test_unfinished_handshakes_do_not_block_probes(https: Https, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(500):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", https.server.port), timeout=30))
            slow.sendall(sent)
        assert get(f"{https.server.url}/live", context=https.context())[0] == 200
        assert len(https.server._connections) <= MOST_CONNECTIONS


def test_an_unfinished_handshake_times_out(https: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer.monitor.connection.REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", https.server.port), timeout=30) as slow:
        slow.sendall(b"\x16\x03\x01")
        assert slow.recv(1) == b""
    assert https.server._connections == {}


def test_a_replaced_certificate_is_served_unless_it_is_unusable(
    https: Https, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scorer.monitor.certificate.LOOK_SECONDS", 0.0)

    def served() -> bytes | None:
        with https.connect() as client:
            return client.getpeercert(binary_form=True)

    first = served()
    put(https.pair.key, "not a key")
    assert served() == first
    pair(https.authority, https.pair.certificate.parent, "server", "127.0.0.1")
    assert served() != first
    said = capsys.readouterr().out
    assert "http certificate not replaced: the old one stays" in said
    assert "http certificate replaced" in said


def without_key(own: Pair) -> None:
    own.key.unlink()


def with_key_of_another_pair(own: Pair) -> None:
    pair(trustme.CA(), own.certificate.parent, "other", "127.0.0.1").key.replace(own.key)


def encrypted(own: Pair) -> None:
    key = load_pem_private_key(own.key.read_bytes(), None)
    put(own.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(without_key, "No such file"), (with_key_of_another_pair, "KEY_VALUES_MISMATCH"), (encrypted, "PEM lib")],
)
def test_unusable_certificate_files_are_refused_at_startup(
    health: Health, tmp_path: Path, spoil: Callable[[Pair], None], what: str
) -> None:
    own = pair(trustme.CA(), tmp_path, "server", "127.0.0.1")
    spoil(own)
    tls = HttpTlsSettings(certificate=own.certificate, key=own.key)
    with pytest.raises(Misconfigured, match=rf"http\.tls: .*server\.key: .*({what}).*; expected a certificate and its"):
        serve(HttpSettings(port=0, tls=tls), Metrics(), health).__enter__()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_line_of_a_megabyte_is_refused_and_does_not_block_probes(
    https: Https, health: Health, scheme: str
) -> None:
    sent = b"GET /" + b"x" * 1_000_000
    with ExitStack() as stack:
        if scheme == "https":
            server, context = https.server, https.context()
            client: socket.socket = stack.enter_context(https.connect())
        else:
            server, context = stack.enter_context(serve(HttpSettings(port=0), Metrics(), health)), None
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        with pytest.raises(OSError, match=r"."):  # noqa: PT012  closed while it sends, or just after
            while True:
                client.sendall(sent)
                time.sleep(0.01)
                assert get(f"{server.url}/live", context=context)[0] == 200
