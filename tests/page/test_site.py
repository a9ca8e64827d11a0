"""The page on a replica's HTTP server: its files, its stream, and the bounds that both keep."""

import hashlib
import json
import re
import socket
import ssl
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path
from typing import Self

import pytest
import trustme

from scorer.monitor import Health, Server, connection, serve, server
from scorer.monitor.server import MOST_CONNECTIONS, MOST_VIEWERS
from scorer.page import feed
from scorer.page.feed import Feed
from scorer.page.site import FILES, POLICY, STATIC, Site
from scorer.page.view import Known
from scorer.settings import HttpSettings, HttpTlsSettings
from tests.certificates import pair
from tests.page.scene import GROUP, MODEL, Scene, shown

# Of the files in the package `uplot` of npm, version 1.6.32.
UPLOT = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
FREE = HttpSettings(port=0)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.past(3)
    return scene


@pytest.fixture
def page(scene: Scene) -> Iterator[Server]:
    with shown(scene) as page:
        yield page


def get(page: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(page.url + path, method=method, headers=headers)  # noqa: S310  the server under test
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class Viewer:
    """Has asked for the stream."""

    def __init__(self, page: Server, tls: ssl.SSLContext | None = None, **options: int) -> None:
        self.socket = socket.socket()
        if "buffer" in options:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["buffer"])
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", page.port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.socket.sendall(b"GET /page/events HTTP/1.1\r\n\r\n")
        self._file = self.socket.makefile("rb")

    def line(self) -> bytes:
        return self._file.readline()

    def head(self) -> bytes:
        return b"".join(iter(self.line, b"\r\n"))

    def event(self) -> dict[str, object]:
        text = self.line()
        assert text.startswith(b"data: ")
        assert self.line() == b"\n"
        document: dict[str, object] = json.loads(text.removeprefix(b"data: "))
        return document

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()


@pytest.mark.parametrize("name", ["", *FILES])
def test_the_files_are_served_under_the_policy(page: Server, name: str) -> None:
    status, headers, body = get(page, f"/page/{name}")
    assert (status, body) == (200, (STATIC / (name or "index.html")).read_bytes())
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_nothing_that_is_not_ours() -> None:
    parts = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert parts["default-src"] == "'none'"
    assert {parts[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("name", ["index.html", "page.js", "page.css"])
def test_the_files_name_no_other_address_and_need_nothing_inline(name: str) -> None:
    text = (STATIC / name).read_text()
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|@import", text)
    if name == "index.html":
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", text)


def test_uplot_is_the_published_one_and_has_its_licence() -> None:
    assert {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in UPLOT} == UPLOT
    assert "MIT License" in (STATIC / "uPlot.LICENSE").read_text()


def test_home_and_the_short_address_lead_to_the_page(page: Server) -> None:
    for path in ("/", "/page"):
        status, _, body = get(page, path)
        assert (status, body) == (200, (STATIC / "index.html").read_bytes())


def test_a_replica_keeps_its_index_and_lists_the_page() -> None:
    with serve(FREE, None, Health(60), Site(Feed(Known(GROUP, MODEL), None))) as page:
        assert b"\n/page/    the group, live\n" in get(page, "/")[2]


def test_a_page_without_metrics_has_no_such_page(page: Server) -> None:
    assert get(page, "/metrics")[0] == 404
    assert get(page, "/live")[0] == 200


def test_the_icon_that_browsers_ask_for_is_nothing(page: Server) -> None:
    assert get(page, "/favicon.ico")[0] == 204


def test_the_document_is_json(page: Server) -> None:
    while not json.loads(get(page, "/page/view.json")[2])["replicas"]:
        time.sleep(0.02)
    status, headers, body = get(page, "/page/view.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    document = json.loads(body)
    assert [each["name"] for each in document["replicas"]] == ["replica-1", "replica-2", "replica-3"]
    assert document["series"]["points"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that says something new several times a second."""
    monkeypatch.setattr(server, "PIECE_SECONDS", 0.05)
    monkeypatch.setattr(feed, "TICK_SECONDS", 0.05)


@pytest.mark.usefixtures("quick")
def test_a_stream_begins_with_everything_and_goes_on_with_what_is_new(page: Server) -> None:
    with Viewer(page) as viewer:
        head = viewer.head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/event-stream\r\n" in head
        assert b"Content-Length" not in head
        times = [float(str(viewer.event()["time"])) for _ in range(10)]
    assert times == sorted(times)
    assert times[0] != times[-1]


@pytest.mark.usefixtures("quick")
def test_a_stream_goes_over_tls_and_its_end_is_noticed(scene: Scene, tmp_path: Path) -> None:
    authority = trustme.CA()
    own = pair(authority, tmp_path, "server", "127.0.0.1")
    http = HttpSettings(port=0, tls=HttpTlsSettings(certificate=own.certificate, key=own.key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with shown(scene, http) as page:
        with Viewer(page, context) as viewer:
            assert b" 200 OK" in viewer.head()
            assert [set(viewer.event()) > {"form", "group"} for _ in range(5)] == [True] * 5
        while page._connections:
            time.sleep(0.02)


def test_head_of_the_stream_ends(page: Server) -> None:
    assert get(page, "/page/events", "HEAD")[::2] == (200, b"")
    while page._connections:
        time.sleep(0.02)


def test_without_the_token_the_files_are_all_there_is(scene: Scene) -> None:
    with shown(scene, HttpSettings(port=0, token="secret-token")) as page:  # noqa: S106  of this test
        for path in ("/page/", "/page/page.js", "/favicon.ico"):
            assert get(page, path)[0] in {200, 204}
        with Viewer(page) as viewer:
            assert viewer.head().startswith(b"HTTP/1.1 401 ")
        for path in ("/page/view.json", "/nothing"):
            status, headers, body = get(page, path)
            assert (status, body) == (401, b"Unauthorized\n")
            assert headers["WWW-Authenticate"].startswith("Bearer")
        assert get(page, "/page/view.json", Authorization="Bearer wrong")[0] == 401
        assert get(page, "/page/view.json", Authorization="Bearer secret-token")[0] == 200


def test_so_many_viewers_and_no_more(page: Server) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            assert b" 200 OK" in stack.enter_context(Viewer(page)).head()
        head = stack.enter_context(Viewer(page)).head()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5\r\n" in head
        assert get(page, "/live")[0] == 200
    while any(each.streaming for each in page._connections.values()):
        time.sleep(0.02)
    with Viewer(page) as viewer:
        assert b" 200 OK" in viewer.head()


def test_a_viewer_that_does_not_read_is_cut_off_and_others_are_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PIECE_SECONDS", 0.05)
    monkeypatch.setattr(connection, "RESPONSE_SECONDS", 3600.0)
    monkeypatch.setattr(Site, "piece", lambda _: b"data: " + b"x" * 4_000_000 + b"\n\n")
    with shown(scene) as page, Viewer(page, buffer=4096) as deaf, Viewer(page) as viewer:
        viewer.head()
        viewer.event()
        for _ in range(20):
            assert len(viewer.line()) > 4_000_000
            viewer.line()
        assert len([each for each in page._connections.values() if each.streaming]) == 1
        assert deaf.socket.fileno() >= 0
        assert len(viewer.line()) > 4_000_000


def test_a_viewer_that_takes_too_long_for_one_piece_is_cut_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RESPONSE_SECONDS", 0.3)
    monkeypatch.setattr(server, "PIECE_SECONDS", 3600.0)
    monkeypatch.setattr(Feed, "whole", lambda _: (b"x" * 50_000_000, None))
    with shown(scene) as page, Viewer(page, buffer=4096):
        while not page._connections:
            time.sleep(0.01)
        while page._connections:
            time.sleep(0.02)


@pytest.mark.usefixtures("quick")
def test_a_piece_that_cannot_be_made_ends_the_streams_and_not_the_server(
    page: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Viewer(page) as viewer:
        viewer.head()
        viewer.event()
        monkeypatch.setattr(Feed, "news", lambda *_: 1 / 0)
        while viewer.line():
            pass
    assert get(page, "/live")[0] == 200


@pytest.mark.usefixtures("quick")
def test_what_a_viewer_says_is_not_answered(page: Server) -> None:
    with Viewer(page) as viewer:
        viewer.head()
        viewer.socket.sendall(b"GET /page/view.json HTTP/1.1\r\n\r\n" * 100)
        assert [set(viewer.event()) > {"form", "group"} for _ in range(3)] == [True] * 3


def test_viewers_do_not_keep_probes_waiting(page: Server) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            stack.enter_context(Viewer(page)).head()
        for _ in range(2 * MOST_CONNECTIONS):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", page.port), timeout=30))
            silent.sendall(b"G")
        assert get(page, "/live")[0] == 200
        assert len(page._connections) <= MOST_CONNECTIONS


def test_a_wheel_has_the_files() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["scorer.page"]
    files = [f"static/{file.name}" for file in STATIC.iterdir()]
    assert [file for file in files if not any(map(Path(file).match, patterns))] == []
    assert "scorer/page/static/uPlot.LICENSE" in project["project"]["license-files"]
