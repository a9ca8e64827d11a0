"""Logins of a schema registry in files that are replaced, and what each wrong case says."""

import ssl
from pathlib import Path

import pytest
import trustme

from scorer.errors import RegistryUnavailable
from scorer.registry import Registry
from scorer.settings import RegistrySettings, TlsSettings
from tests.certificates import pair, put, trusted
from tests.registry.stub import serving
from tests.security.wire import yesterday

INT = {"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}


@pytest.mark.parametrize(
    ("chosen", "first", "second"),
    [
        ({"user": "svc", "password_file": "secret"}, "Basic c3ZjOm9uZQ==", "Basic c3ZjOnR3bw=="),
        ({"token_file": "secret"}, "Bearer one", "Bearer two"),
    ],
)
def test_a_secret_file_is_read_again_after_a_change(
    tmp_path: Path, chosen: dict[str, str], first: str, second: str
) -> None:
    put(tmp_path / "secret", "one\n")
    chosen = {name: str(tmp_path / value) if value == "secret" else value for name, value in chosen.items()}
    with serving() as stub:
        one = Registry(RegistrySettings.model_validate({"url": stub.url} | chosen))
        for number, secret in ((1, None), (2, "two")):
            stub.knows(number, INT)
            if secret:
                put(tmp_path / "secret", secret)
            assert one.by_id(number)
        assert [headers["Authorization"] for _, headers, _ in stub.asked] == [first, second]


def test_a_missing_secret_file_is_reported(tmp_path: Path) -> None:
    settings = RegistrySettings(url="http://127.0.0.1:1", token_file=tmp_path / "none")
    with pytest.raises(RegistryUnavailable, match=r"registry\.token_file: .*none cannot be read: No such file"):
        Registry(settings).by_id(1)


def test_a_tls_problem_is_reported(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca, wrong = trusted(authority, tmp_path), trusted(trustme.CA(), tmp_path, "wrong")
    own = pair(authority, tmp_path, "server", "127.0.0.1")
    old = pair(authority, tmp_path, "old", "127.0.0.1", not_after=yesterday())
    for served, trust, host, expected in (
        (own, wrong, "127.0.0.1", r"registry\.tls\.ca must contain the authority"),
        (own, ca, "localhost", "certificate is for another name"),
        (old, ca, "127.0.0.1", "renew the server's certificate"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(served.certificate, served.key)
        with serving(context) as stub:
            url = f"https://{host}:{stub.port}"
            with pytest.raises(RegistryUnavailable, match=expected):
                Registry(RegistrySettings(url=url, tls=TlsSettings(ca=trust))).by_id(1)
