"""Redis behind TLS, as by a proxy that ends it: what works, what each wrong case says, and files that are replaced."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import trustme

from scorer.errors import Misconfigured, Unavailable
from scorer.store.protocol import Request
from scorer.store.redis.connect import connect
from tests.certificates import Pair, pair, put, trusted
from tests.security.wire import yesterday
from tests.store.redis.servers import HASH, Custom, Fake, SentinelServer, forwards_to

MS = 5_000
PASSWORD = "b@ttery:staple/"  # noqa: S105  of a server that lives for one test
REQUEST = [Request(HASH, [b"plane:1"])]


@dataclass
class Secured:
    """A real server with a user, behind TLS."""

    server: Custom
    authority: trustme.CA
    folder: Path
    port: int

    def url(self, login: str = "", host: str = "127.0.0.1", **options: object) -> str:
        chosen = {"ssl_ca_certs": self.folder / "ca.pem"} | options
        query = "&".join(f"{name}={value}" for name, value in chosen.items() if value is not None)
        return f"rediss://{login}{host}:{self.port}/0?{query}"

    def own(self, name: str = "client", authority: trustme.CA | None = None, **issue: object) -> Pair:
        return pair(authority or self.authority, self.folder, name, "svc@example.org", **issue)


def context_of(authority: trustme.CA, own: Pair, *, mutual: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    if mutual:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Custom]:
    with Custom(tmp_path / "redis") as server:
        with server.client() as client:
            client.hset("plane:1", "seats", "7")
            client.acl_setuser(
                "scorer", enabled=True, passwords=[f"+{PASSWORD}"], keys=["plane:*"], commands=["+hmget", "+ping"]
            )
        yield server


@pytest.fixture(params=[False])
def secured(request: pytest.FixtureRequest, real: Custom, tmp_path: Path) -> Iterator[Secured]:
    """Parametrised with whether the server asks for a client certificate."""
    authority = trustme.CA()
    trusted(authority, tmp_path)
    own = pair(authority, tmp_path, "server", "127.0.0.1")
    with Fake(forwards_to(real.port), context=context_of(authority, own, mutual=request.param)) as front:
        yield Secured(real, authority, tmp_path, front.port)


def seats(url: str) -> float:
    store = connect(url, MS)
    try:
        return float(store.fetch(REQUEST, 0.0)[0].values[0, 0])
    finally:
        store.close()


def refusal(url: str) -> str:
    with pytest.raises(Unavailable) as refused:
        seats(url)
    return str(refused.value)


def test_an_acl_user_can_log_in_over_tls(secured: Secured) -> None:
    (secured.folder / "password").write_text(f"{PASSWORD}\n")
    assert seats(secured.url("scorer:b%40ttery%3Astaple%2F@")) == 7
    assert seats(secured.url("scorer@", password_file=secured.folder / "password")) == 7


@pytest.mark.parametrize("secured", [True], indirect=True)
def test_a_client_certificate_is_used_and_its_problems_are_reported(secured: Secured) -> None:
    own = secured.own()
    assert seats(secured.url(ssl_certfile=own.certificate, ssl_keyfile=own.key)) == 7
    needed = "the server requires a client certificate of an authority that it trusts"
    assert f"{needed}: set ssl_certfile and ssl_keyfile (features.url)" in refusal(secured.url())
    for wrong in (secured.own("stranger", trustme.CA()), secured.own("old", not_after=yesterday())):
        refused = "the server does not accept the certificate in ssl_certfile and ssl_keyfile"
        assert refused in refusal(secured.url(ssl_certfile=wrong.certificate, ssl_keyfile=wrong.key))


def test_a_problem_of_the_server_certificate_is_reported(secured: Secured) -> None:
    other = trusted(trustme.CA(), secured.folder, "other")
    assert "ssl_ca_certs must contain the authority that issued" in refusal(secured.url(ssl_ca_certs=other))
    assert "ssl_ca_certs must contain the authority that issued" in refusal(secured.url(ssl_ca_certs=None))
    assert "certificate is for another name" in refusal(secured.url(host="localhost"))
    expired = pair(secured.authority, secured.folder, "expired", "127.0.0.1", not_after=yesterday())
    with Fake(forwards_to(secured.server.port), context=context_of(secured.authority, expired, mutual=False)) as front:
        secured.port = front.port
        assert "renew the server's certificate" in refusal(secured.url())


def test_a_wrong_login_is_reported(secured: Secured) -> None:
    assert "correct the user name or the password" in refusal(secured.url("scorer:wrong@"))
    assert "correct the user name or the password" in refusal(secured.url("nobody:wrong@"))


def test_files_are_read_again_for_each_connection(secured: Secured) -> None:
    password, ca = secured.folder / "password", secured.folder / "own-ca.pem"
    password.write_text("wrong")
    trusted(trustme.CA(), secured.folder, "own-ca")
    store = connect(secured.url("scorer@", password_file=password, ssl_ca_certs=ca), MS)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        store.fetch(REQUEST, 0.0)
    trusted(secured.authority, secured.folder, "own-ca")
    with pytest.raises(Unavailable, match="WRONGPASS"):
        store.fetch(REQUEST, 0.0)
    put(password, PASSWORD)
    assert store.fetch(REQUEST, 0.0)[0].values[0, 0] == 7
    put(password, "gone")
    assert store.fetch(REQUEST, 0.0)[0].values[0, 0] == 7  # the connection stays
    store.close()
    with pytest.raises(Unavailable, match="WRONGPASS"):
        store.fetch(REQUEST, 0.0)


def test_a_password_file_must_exist_and_be_the_only_password(secured: Secured) -> None:
    with pytest.raises(Misconfigured, match="password_file: no file /nowhere; expected the path of a file"):
        connect(secured.url("scorer@", password_file=Path("/nowhere")), MS)
    (secured.folder / "password").write_text("\n")
    with pytest.raises(Misconfigured, match="it has a password and password_file; expected one of them"):
        connect(secured.url("scorer:pw@", password_file=secured.folder / "password"), MS)
    assert "password is empty; expected a file with the secret alone" in refusal(
        secured.url("scorer@", password_file=secured.folder / "password")
    )


@pytest.mark.prove
def test_sentinels_can_have_their_passwords_in_files(tmp_path: Path) -> None:
    for name, content in (("password", PASSWORD), ("sentinel", "watch-tower")):
        (tmp_path / name).write_text(content)
    with Custom(tmp_path / "redis", requirepass=PASSWORD) as master:
        client = redis.Redis(port=master.port, password=PASSWORD)
        client.hset("plane:1", "seats", "7")
        with SentinelServer(tmp_path / "sentinel-server", master, PASSWORD) as sentinel:
            with redis.Redis(port=sentinel.port) as watch:
                watch.acl_setuser("default", enabled=True, passwords=["+watch-tower"], commands=["+@all"])
            files = f"password_file={tmp_path / 'password'}&sentinel_password_file={tmp_path / 'sentinel'}"
            assert seats(f"redis+sentinel://127.0.0.1:{sentinel.port}/features/0?{files}") == 7
            assert "NOAUTH" in refusal(f"redis+sentinel://127.0.0.1:{sentinel.port}/features/0")
