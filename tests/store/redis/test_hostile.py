"""Servers that send too much, malformed bytes or an echo: always Unavailable, within limits, showing no secret."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import Unavailable
from scorer.store.load.load import load_file
from scorer.store.protocol import Request
from scorer.store.redis.bounds import LONGEST_LINE, SLACK
from scorer.store.redis.connect import connect
from scorer.store.redis.link import Link
from scorer.store.redis.sample import sample_problems
from tests.scoring.batches import FIELDS
from tests.store.redis.servers import HASH, PACKED, Fake, Script, answers, echoes, floods, knows, proof
from tests.store.redis.test_faults import fetched, seats
from tests.store.redis.test_resp_tree import TREES, written

PLENTY_MS = 30_000
BOTH = [Request(HASH, [b"a"]), Request(PACKED, [b"b"])]
PASSWORD = 'hunter2, "q" \'\\ ' + "long-and-Secret/" * 20
IN_URL = "hunter2%2C%20%22q%22%20%27%5C%20" + "long-and-Secret%2F" * 20
PIECES = [PASSWORD[at : at + 6] for at in range(len(PASSWORD) - 6)]


Answer = bytes | Callable[[list[bytes]], bytes]


def slots(port: int) -> bytes:
    return b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$1\r\ni\r\n" % port


def right(port: int) -> dict[str, Answer]:
    """Return the replies of an empty server, of any kind."""
    return {
        "HMGET": b"*3\r\n$-1\r\n$-1\r\n$-1\r\n",
        "MGET": lambda parts: written([None] * len(parts[1:])),
        "GET": b"$-1\r\n",
        "SCAN": b"*2\r\n$1\r\n0\r\n*2\r\n$7\r\nplane:1\r\n$7\r\nroute:1\r\n",
        "TYPE": b"+hash\r\n",
        "HLEN": b":2\r\n",
        "HKEYS": b"*1\r\n$4\r\nseat\r\n",
        "CLUSTER": slots(port),
        "SENTINEL": b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(port)), port),
        "HSET": b":1\r\n",
        "HDEL": b":1\r\n",
    }


def load(url: str, folder: Path) -> None:
    file = folder / "planes.csv"
    file.write_text("tailnum,seats,engines,year\nN1,1,2,\n")
    load_file(HASH, FIELDS, file, url, lambda _: None)


def looked_up(url: str, _: Path) -> list[str]:
    """Look up as a replica does; return the error."""
    store = connect(url, PLENTY_MS)
    said = unavailable(lambda: store.fetch(BOTH, 0.0), store.ping)
    store.close()
    return said


def take_samples(url: str, _: Path) -> list[str]:
    """Take samples as `check` does."""
    return unavailable(*(lambda entity=entity: sample_problems(url, PLENTY_MS, entity) for entity in (HASH, PACKED)))


def loaded(url: str, folder: Path) -> list[str]:
    """Write as `features load` does."""
    return unavailable(lambda: load(url, folder))


def everything(url: str, folder: Path) -> list[str]:
    """Do everything that the product does with Redis."""
    return [said for each in (looked_up, take_samples, loaded) for said in each(url, folder)]


def unavailable(*calls: Callable[[], object]) -> list[str]:
    said = []
    for call in calls:
        try:
            call()
        except Unavailable as error:
            said.append(str(error))
    return said


FORMS = ["redis://{}127.0.0.1:{}/1", "redis+cluster://{}127.0.0.1:{}", "redis+sentinel://{}127.0.0.1:{}/m"]


@pytest.mark.parametrize("form", FORMS)
def test_the_fake_server_is_accepted_as_redis(form: str, tmp_path: Path) -> None:
    replies = right(0)
    with Fake(knows(replies)) as server:
        replies |= right(server.port)
        assert everything(form.format("me:pw@", server.port), tmp_path) == []


def surplus(more: bytes, go: threading.Event, gone: threading.Event) -> Script:
    """Answers one request twice, the second time later."""

    def script(connection: socket.socket) -> None:
        connection.sendall(seats(1) + proof(connection.recv(1 << 20)))
        go.wait()
        if more:
            connection.sendall(more)
        else:
            connection.shutdown(socket.SHUT_WR)
        gone.set()
        while request := connection.recv(1 << 20):
            connection.sendall(seats(3) + proof(request))

    return script


@pytest.mark.parametrize("more", [seats(1), b"*", b"-ERR shutting down\r\n", b""])
def test_bytes_after_a_reply_are_never_mistaken_for_another_reply(more: bytes) -> None:
    go, gone = threading.Event(), threading.Event()
    with Fake(surplus(more, go, gone), answers(seats(2))) as server:
        store = connect(server.url, PLENTY_MS)
        assert fetched(store) == 1
        go.set()
        gone.wait()
        assert fetched(store) == 2
        assert len(server.connections) == 2


@pytest.mark.parametrize("more", ["a reply", "all replies to the last request"])
def test_bytes_between_a_request_and_its_reply_are_never_mistaken_for_it(more: str) -> None:
    def script(connection: socket.socket) -> None:
        last = connection.recv(1 << 20)
        connection.sendall(seats(1) + proof(last))
        request = connection.recv(1 << 20)
        connection.sendall(seats(1) + (proof(last) if more != "a reply" else b""))
        select.select([connection], [], [], 0.2)  # what comes first is read by then
        connection.sendall(seats(3) + proof(request))
        connection.recv(1 << 20)

    with Fake(script, answers(seats(2))) as server:
        store = connect(server.url, PLENTY_MS)
        assert fetched(store) == 1
        with contextlib.suppress(Unavailable):
            assert fetched(store) == 2
        assert fetched(store) == 2
        assert len(server.connections) == 2


@pytest.mark.parametrize("reply", [b"+PONG\r\n", b"-NOPERM this user has no permissions to run the 'ping' command\r\n"])
def test_features_are_read_through_a_proxy_without_echo_and_without_ping_rights(reply: bytes) -> None:
    asked: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while request := connection.recv(1 << 20):
            asked.append(request)
            connection.sendall(seats(len(asked)) + (reply if proof(request) else b""))

    with Fake(script) as server:
        store = connect(server.url, PLENTY_MS)
        assert [fetched(store) for _ in range(3)] == [1, 2, 3]
        assert len(server.connections) == 1
    again = reply.startswith(b"+")
    assert [b"PING" in request for request in asked] == [True, again, again]


def test_bytes_before_the_first_request_are_not_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    greeted = threading.Event()
    look = Link._refuse_unasked

    def look_when_it_has_come(link: Link) -> None:
        greeted.wait()
        select.select([link._socket], [], [], 10)
        look(link)

    def greets(connection: socket.socket) -> None:
        connection.sendall(seats(1))
        greeted.set()
        while request := connection.recv(1 << 20):
            connection.sendall(seats(2) + proof(request))

    monkeypatch.setattr(Link, "_refuse_unasked", look_when_it_has_come)
    with Fake(greets) as server, contextlib.suppress(Unavailable):
        assert fetched(connect(server.url, PLENTY_MS)) == 2


@pytest.mark.parametrize(
    ("head", "piece", "most"),
    [
        (b"*3\r\n$999999999999\r\n", b"x" * 65536, SLACK),
        (b"*3\r\n", b"$4\r\nabcd\r\n" * 1000, LONGEST_LINE),
        (b"+", b"x" * 65536, LONGEST_LINE),
        (b"-ERR ", b"x" * 65536, LONGEST_LINE),
        (b"*", b"9" * 65536, LONGEST_LINE),
        (b"*999999999\r\n", b"$1\r\n1\r\n" * 1000, LONGEST_LINE),
        (b"", b"\x00" * 65536, LONGEST_LINE),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_an_endless_reply_is_cut_off(form: str, head: bytes, piece: bytes, most: int) -> None:
    in_sockets = 16 << 20  # what the kernel takes of it
    sent: list[int] = []
    with Fake(floods(head, piece, sent)) as server:
        store = connect(form.format("", server.port).removesuffix("/1"), PLENTY_MS)
        for call in (lambda: store.fetch(BOTH, 0.0), store.ping):
            with pytest.raises(Unavailable, match=r"does not answer as Redis does"):
                call()
    assert sum(sent) < 2 * (max(most, SLACK) + in_sockets)


MALFORMED = [
    *(b":1\r\n", b":abc\r\n", b"+OK\r\n", b"+\xff\xfe\r\n", b"$-1\r\n", b"$-2\r\n", b"*-1\r\n", b"*-7\r\n", b"*0\r\n"),
    *(b"$4\r\n\xff\xfe\xfd\xfc\r\n", b"_\r\n", b"%1\r\n", b"~1\r\n", b",1.5\r\n", b"#t\r\n", b"*1000000000000\r\n"),
    *(
        b"*1\r\n:1\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"*2\r\n$-1\r\n$-1\r\n",
        b"*2\r\n*0\r\n*0\r\n",
        b"*1\r\n*1\r\n*1\r\n:1\r\n",
    ),
    *(b"*2\r\n$1\r\nh\r\n$3\r\nabc\r\n", b"*2\r\n$1\r\nh\r\n$5\r\n99999\r\n", b"*2\r\n$0\r\n\r\n$1\r\n1\r\n"),
    *(
        b"*2\r\n$4\r\na..b\r\n$1\r\n1\r\n",
        b"*2\r\n$70\r\n" + b"x" * 70 + b"\r\n$1\r\n1\r\n",
        b"*2\r\n$3\r\na b\r\n$1\r\n1\r\n",
    ),
    *(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n:1\r\n:1\r\n", b"*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n"),
    *(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nh\r\n:99999\r\n", b"*1\r\n*3\r\n:9\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n"),
    *(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$4\r\na..b\r\n:1\r\n", b"*1\r\n*3\r\n:0\r\n:16383\r\n*1\r\n$1\r\nh\r\n"),
    *(
        b"-MOVED\r\n",
        b"-MOVED 1\r\n",
        b"-MOVED 1 h\r\n",
        b"-MOVED 1 h:abc\r\n",
        b"-ASK 1 :\r\n",
        b"-MOVED 1 a..b:1\r\n",
    ),
    *(b"-MOVED 1 127.0.0.1:99999\r\n", b"-ASK x y z h:1\r\n", b"-\r\n", b"-\xff\xfe\r\n", b"-ERR \x1b[2J\r\n"),
    b"-MOVED 1 " + b"x" * 70 + b":1\r\n",
]
SINGLE, CLUSTER, SENTINEL = FORMS
ASKED = [
    *((SINGLE, each, looked_up) for each in ("HMGET", "MGET", "PING", "AUTH", "SELECT")),
    *((SINGLE, each, take_samples) for each in ("SCAN", "TYPE", "HMGET", "HLEN", "HKEYS")),
    *((CLUSTER, each, looked_up) for each in ("CLUSTER", "HMGET", "GET")),
    *((SENTINEL, "SENTINEL", looked_up), (SINGLE, "HSET", loaded), (CLUSTER, "HDEL", loaded)),
]
SLOW = ("TYPE", "HLEN", "HKEYS")  # the samples wait for each malformed reply
Call = Callable[[str, Path], list[str]]


@pytest.mark.parametrize(
    ("form", "question", "call"),
    [pytest.param(*each, marks=pytest.mark.prove if each[1] in SLOW else ()) for each in ASKED],
)
def test_a_malformed_reply_is_always_unavailable(form: str, question: str, call: Call, tmp_path: Path) -> None:
    replies = right(0)
    with Fake(knows(replies)) as server:
        for malformed in MALFORMED:
            replies |= right(server.port) | {"AUTH": b"+OK\r\n", "SELECT": b"+OK\r\n", "PING": b"+PONG\r\n"}
            replies[question] = malformed
            for said in call(form.format("me:pw@", server.port), tmp_path):
                assert "\x1b" not in said
                assert len(said) < 2000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ASKED), TREES.map(written))
def test_a_reply_of_any_shape_is_accepted_or_unavailable(
    tmp_path: Path, asked: tuple[str, str, Call], reply: bytes
) -> None:
    form, question, call = asked
    replies = right(0)
    with Fake(knows(replies)) as server:
        replies |= right(server.port)
        replies[question] = reply
        call(form.format("me:pw@", server.port), tmp_path)


def cut(parts: list[bytes]) -> bytes:
    """Return Redis's echo of an unknown command: 128 characters on one line."""
    shown = b", ".join(b"'%b'" % part for part in parts[1:])[:128].replace(b"\r\n", b"  ")
    return b"-ERR unknown command '%b', with args beginning with: %b\r\n" % (parts[0], shown)


def bare(parts: list[bytes]) -> bytes:
    return b"-ERR %b\r\n" % b" ".join(parts)


def denies(parts: list[bytes]) -> bytes:
    return b"-WRONGPASS for %b\r\n" % b" ".join(parts)


def halves(parts: list[bytes]) -> bytes:
    return b"-NOPERM %b\r\n" % parts[-1][len(parts[-1]) // 2 :]


def as_text(parts: list[bytes]) -> bytes:
    return b"+%b\r\n" % parts[-1]


@pytest.mark.parametrize("reply", [cut, bare, denies, halves, as_text])
@pytest.mark.parametrize("form", FORMS)
def test_a_password_echoed_by_the_server_is_not_shown(
    form: str, reply: Callable[[list[bytes]], bytes], tmp_path: Path
) -> None:
    replies: dict[str, Answer] = {}
    with Fake(knows(replies)) as server:
        replies |= right(server.port) | dict.fromkeys(["AUTH", "SELECT", "CLIENT", "SENTINEL", "CLUSTER"], reply)
        options = f"?sentinel_password={IN_URL}" if "sentinel" in form else ""
        said = everything(form.format(f"me:{IN_URL}@", server.port) + options, tmp_path)
    assert said or reply is as_text
    assert not [piece for piece in PIECES if piece in "".join(said)]


@pytest.mark.parametrize("form", FORMS)
def test_an_echo_is_not_a_reply_and_is_not_shown(form: str, tmp_path: Path) -> None:
    with Fake(echoes) as server:
        said = everything(form.format(f"me:{IN_URL}@", server.port), tmp_path)
    assert len(said) == 5
    assert "does not answer as Redis does" in said[0]
    assert not [piece for piece in PIECES if piece in "".join(said)]


def test_a_refused_login_is_reported_with_a_remedy() -> None:
    expected = r"refused user name and password with 'ERR unknown command': AUTH may be"
    with Fake(knows({"AUTH": cut})) as server, pytest.raises(Unavailable, match=expected):
        connect(f"redis://me:hunter2@127.0.0.1:{server.port}", PLENTY_MS).ping()
