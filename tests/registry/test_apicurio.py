"""What our client asks of a real registry, over TLS and with a login."""

import json
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from scorer.errors import RegistryUnavailable
from scorer.registry import Refusal, Registry, patiently
from scorer.sandbox.server import free_port
from scorer.settings import RegistrySettings, TlsSettings
from tests.registry.apicurio import Apicurio


def schema(*fields: tuple[str, str]) -> str:
    return json.dumps(
        {"type": "record", "name": "A", "fields": [{"name": name, "type": kind} for name, kind in fields]}
    )


@pytest.mark.prove
def test_the_versions_of_a_subject_are_registered_and_found(apicurio: Apicurio) -> None:
    one = Registry(RegistrySettings(url=apicurio.url))
    assert (one.latest("a-value"), one.versions("a-value")) == (None, [])
    first = one.register("a-value", schema(("x", "int")))
    assert one.register("a-value", schema(("x", "int"))) == first
    second = one.register("a-value", schema(("x", "int"), ("y", "int")))
    assert [(each.version, each.id) for each in one.versions("a-value")] == [(1, first), (2, second)]
    latest, found = one.latest("a-value"), one.lookup("a-value", schema(("x", "int")))
    assert latest is not None
    assert found is not None
    assert (latest.id, found.id, found.version) == (second, first, 1)
    assert json.loads(latest.text)["fields"][1]["name"] == "y"
    other = Registry(RegistrySettings(url=apicurio.url))
    assert other.by_id(first) is not None
    assert other.by_id(2_000_000_000) is None
    assert one.level("a-value") == "NONE"
    with pytest.raises(Refusal) as refused:
        one.register("a-value", '{"type": "record", "name": "A"}')
    assert refused.value.status == 422


def test_the_registry_is_used_over_tls_with_a_login(tmp_path: Path) -> None:
    authority, port = trustme.CA(), free_port()
    own = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    key = load_pem_private_key(own.private_key_pem.bytes(), None)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options = {
        "quarkus.http.ssl-port": port,
        "quarkus.http.ssl.certificate.files": tmp_path / "cert.pem",
        "quarkus.http.ssl.certificate.key-files": tmp_path / "key.pem",
        "quarkus.http.auth.basic": "true",
        "quarkus.security.users.embedded.enabled": "true",
        "quarkus.security.users.embedded.plain-text": "true",
        "quarkus.security.users.embedded.users.svc": "p:w",
        "quarkus.security.users.embedded.roles.svc": "sr-admin",
        "quarkus.http.auth.permission.a.paths": "/apis/*",
        "quarkus.http.auth.permission.a.policy": "authenticated",
    }
    url, tls = f"https://127.0.0.1:{port}/apis/ccompat/v7", TlsSettings(ca=tmp_path / "ca.pem")
    with Apicurio(tmp_path / "apicurio", *(f"-D{name}={value}" for name, value in options.items())):
        one = Registry(RegistrySettings(url=url, user="svc:p:w", tls=tls))
        number = patiently(lambda: one.register("a-value", schema(("x", "int"))))  # the first answer takes seconds
        assert Registry(RegistrySettings(url=url, user="svc:p:w", tls=tls)).by_id(number)
        for wrong in ("", "svc:other"):
            with pytest.raises(RegistryUnavailable, match=r"status 401; check registry\.user or registry\.token"):
                Registry(RegistrySettings(url=url, user=wrong, tls=tls)).by_id(number)
        with pytest.raises(RegistryUnavailable, match="certificate verify failed"):
            Registry(RegistrySettings(url=url, user="svc:p:w")).by_id(number)
