"""Redis with TLS of its own, alone, behind sentinels and as a cluster: Debian's, since the package's has none."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLEOFError
from typing import Any

import pytest
import redis
import trustme

from scorer.sandbox.server import free_port
from scorer.store.redis.handshake import explained
from tests.certificates import Pair, pair, trusted
from tests.once import debian
from tests.security.test_redis import refusal, seats
from tests.store.redis.servers import Custom

pytestmark = pytest.mark.prove
PASSWORD = "watch-tower"  # noqa: S105  of servers that live for one test
LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass
class Authority:
    """One authority, and the files that it has issued."""

    folder: Path
    ca: trustme.CA
    server: Pair
    client: Pair

    @property
    def query(self) -> str:
        """What a URL needs to be let in."""
        return f"ssl_ca_certs={self.folder}/ca.pem&ssl_certfile={self.client.certificate}&ssl_keyfile={self.client.key}"

    @property
    def options(self) -> dict[str, Any]:
        """The same for a plain client."""
        files = {"ssl_certfile": str(self.client.certificate), "ssl_keyfile": str(self.client.key)}
        return {"ssl": True, "ssl_ca_certs": f"{self.folder}/ca.pem", "host": "127.0.0.1"} | files


class Native(Custom):
    """A server, or a sentinel, that speaks only TLS and asks for a client certificate.

    Args:
        folder: of its data.
        authority: of all certificates.
        settings: of its own, with `_` for `-`.
    """

    def __init__(self, folder: Path, authority: Authority, **settings: str) -> None:
        super().__init__(folder, **settings)
        files = {"cert": authority.server.certificate, "key": authority.server.key}
        self.settings |= {f"tls_{name}_file": str(file) for name, file in files.items()}
        self.settings |= {"tls_ca_cert_file": f"{authority.folder}/ca.pem", "tls_auth_clients": "yes"}
        self.settings |= {"port": "0", "tls_port": str(self.port), "tls_replication": "yes"}
        self._options = authority.options

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, **self._options)

    def _command(self) -> list[str]:
        _, *words = super()._command()
        root = debian("redis-1", "redis-server")
        libraries = f"LD_LIBRARY_PATH={root / LIBRARIES}"
        return ["/usr/bin/env", libraries, str(root / "usr/bin/redis-server"), *words]


class NativeSentinel(Native):
    """A sentinel that knows one master as `features`."""

    ready_line = b"+monitor master"

    def __init__(self, folder: Path, authority: Authority, master: Native) -> None:
        super().__init__(folder, authority)
        self._monitored = f"sentinel monitor features 127.0.0.1 {master.port} 1"

    def _command(self) -> list[str]:
        words = super()._command()
        lines = [f"{name.replace('_', '-')} {value}" for name, value in self.settings.items()]
        file = self.folder / "sentinel.conf"
        file.write_text("\n".join([*lines, "bind 127.0.0.1", f"dir {self.folder.resolve()}", self._monitored, ""]))
        return [*words[:3], str(file), "--sentinel"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    ca = trustme.CA()
    trusted(ca, tmp_path)
    return Authority(tmp_path, ca, pair(ca, tmp_path, "server", "127.0.0.1"), pair(ca, tmp_path, "client", "scorer"))


@pytest.fixture
def start(authority: Authority, tmp_path: Path) -> Iterator[Callable[..., Native]]:
    with ExitStack() as stack:

        def started(kind: type[Native] = Native, *more: Native, **settings: str) -> Native:
            return stack.enter_context(kind(tmp_path / f"server-{free_port()}", authority, *more, **settings))

        yield started


def test_a_user_with_a_certificate_is_served(start: Callable[..., Native], authority: Authority) -> None:
    server = start()
    with server.client() as client:
        client.hset("plane:1", "seats", "7")
        client.acl_setuser("scorer", enabled=True, passwords=[f"+{PASSWORD}"], keys=["plane:*"], commands=["+hmget"])
    address = f"127.0.0.1:{server.port}/0"
    assert seats(f"rediss://scorer:{PASSWORD}@{address}?{authority.query}") == 7
    assert "correct the user name or the password" in refusal(f"rediss://scorer:no@{address}?{authority.query}")
    assert "requires a client certificate" in refusal(f"rediss://{address}?ssl_ca_certs={authority.folder}/ca.pem")
    stranger = pair(trustme.CA(), authority.folder, "stranger", "scorer")
    files = f"ssl_certfile={stranger.certificate}&ssl_keyfile={stranger.key}"
    said = refusal(f"rediss://{address}?ssl_ca_certs={authority.folder}/ca.pem&{files}")
    assert "does not accept the certificate in ssl_certfile and ssl_keyfile" in said
    trusted(trustme.CA(), authority.folder, "other")
    other = authority.query.replace("/ca.pem", "/other.pem")
    assert "ssl_ca_certs must contain the authority that issued" in refusal(f"rediss://{address}?{other}")
    assert seats(f"rediss://{address}?{authority.query}") == 7


def test_a_cluster_is_asked_over_tls(start: Callable[..., Native], authority: Authority) -> None:
    server = start(cluster_enabled="yes", tls_cluster="yes")
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            time.sleep(0.05)
        client.hset("plane:1", "seats", "7")
    assert seats(f"rediss+cluster://127.0.0.1:{server.port}?{authority.query}") == 7
    assert "requires a client certificate" in refusal(
        f"rediss+cluster://127.0.0.1:{server.port}?ssl_ca_certs={authority.folder}/ca.pem"
    )


def test_a_master_is_found_by_sentinels_over_tls(start: Callable[..., Native], authority: Authority) -> None:
    master = start()
    with master.client() as client:
        client.hset("plane:1", "seats", "7")
    sentinel = start(NativeSentinel, master)
    assert seats(f"rediss+sentinel://127.0.0.1:{sentinel.port}/features/0?{authority.query}") == 7
    assert "requires a client certificate" in refusal(
        f"rediss+sentinel://127.0.0.1:{sentinel.port}/features/0?ssl_ca_certs={authority.folder}/ca.pem"
    )


def test_a_handshake_that_ends_without_a_reason_names_the_certificate() -> None:
    said = explained(SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2427)"))
    assert "requires a client certificate" in said
    assert "does not accept the certificate in ssl_certfile and ssl_keyfile (features.url)" in said
