"""One real broker with a listener for each way to connect, access control, and certificates of its own."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, though not in the way mypy asks for
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from scorer.sandbox import Kafka
from scorer.sandbox.server import HOST, free_port
from tests.certificates import Pair, pair, trusted

USER, PASSWORD = "svc", "correct-horse"
LISTENERS = {
    "tls": "SSL", "mtls": "SSL", "plain": "SASL_SSL", "scram": "SASL_SSL", "oauth": "SASL_SSL",
    "expired": "SSL", "elsewhere": "SSL", "users": "SASL_PLAINTEXT",
}  # fmt: skip
_PACKAGE = "org.apache.kafka.common.security"
_PLAIN = f'{_PACKAGE}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_OAUTH = f'{_PACKAGE}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
_UNSECURED = f"{_PACKAGE}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
RIGHTS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}


class Wire(Kafka):
    """The broker.

    Its plaintext listener is for the tests themselves, which may do everything.

    Args:
        folder: its data, its log and the certificates.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "kafka")
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates, self.authority, self.other = folder, trustme.CA(), trustme.CA()
        self.ca, self.wrong_ca = trusted(self.authority, folder), trusted(self.other, folder, "wrong-ca")
        self.client = pair(self.authority, folder, "client", "svc@example.org", common_name=USER)
        self.stranger = pair(self.other, folder, "stranger", "svc@example.org", common_name=USER)
        self.old = pair(self.authority, folder, "old", "svc@example.org", common_name=USER, not_after=yesterday())
        self.addresses = {name: f"{HOST}:{free_port()}" for name in LISTENERS}
        self._secure()

    def properties(self, listener: str, **changes: str | None) -> dict[str, str]:
        """Return the client's properties for a listener, as docs/security.md has them; changes have `_` for `.`."""
        chosen: dict[str, str | None] = {"security.protocol": LISTENERS[listener]}
        if LISTENERS[listener].endswith("SSL"):
            chosen["ssl.ca.location"] = str(self.ca)
        if listener == "mtls":
            chosen |= certified(self.client)
        if listener in {"plain", "scram", "users"}:
            chosen |= {"sasl.username": USER, "sasl.password": PASSWORD}
            chosen["sasl.mechanism"] = "SCRAM-SHA-512" if listener == "scram" else "PLAIN"
        if listener == "oauth":
            chosen |= {"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.config": f"principal={USER}"}
            chosen["enable.sasl.oauthbearer.unsecure.jwt"] = "true"
        chosen |= {name.replace("_", "."): value for name, value in changes.items()}
        return {name: value for name, value in chosen.items() if value is not None}

    def give_scram(self, password: str = PASSWORD) -> None:
        """Set the user's password for SCRAM."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(USER, info, password.encode())
        self.admin.alter_user_scram_credentials([upsertion])[USER].result(30)

    @cached_property
    def admin(self) -> AdminClient:
        """A client that may do everything."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})

    def grant(self, operation: str, kind: str, name: str, *, prefixed: bool = False) -> None:
        """Grant the user a right."""
        rule = AclBinding(
            *_rule(kind, name, prefixed=prefixed), AclOperation[operation.upper()], AclPermissionType.ALLOW
        )
        self.admin.create_acls([rule])[rule].result(30)

    def revoke(self, operation: str, kind: str, name: str, *, prefixed: bool = False) -> None:
        """Take a right away again."""
        where = _rule(kind, name, prefixed=prefixed)
        rule = AclBindingFilter(*where, AclOperation[operation.upper()], AclPermissionType.ALLOW)
        assert len(self.admin.delete_acls([rule])[rule].result(30)) == 1

    def _secure(self) -> None:
        folder = self.certificates
        good = store(pair(self.authority, folder, "server", HOST))
        bad = {
            "expired": store(pair(self.authority, folder, "expired", HOST, not_after=yesterday())),
            "elsewhere": store(pair(self.authority, folder, "elsewhere", "kafka.example.org")),
        }
        self._properties |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
            # So soon does the broker ask for the password again.
            "listener.name.scram.scram-sha-512.connections.max.reauth.ms": "4000",
        }
        for listeners in ("listeners", "advertised.listeners"):
            own = (f"{name.upper()}://{address}" for name, address in self.addresses.items())
            self._properties[listeners] = ",".join([self._properties[listeners], *own])
        protocols = (f"{name.upper()}:{protocol}" for name, protocol in LISTENERS.items())
        self._properties["listener.security.protocol.map"] += "," + ",".join(protocols)
        for name, protocol in LISTENERS.items():
            at = f"listener.name.{name}"
            if protocol.endswith("SSL"):
                self._properties |= {
                    f"{at}.ssl.keystore.type": "PEM",
                    f"{at}.ssl.keystore.location": str(bad.get(name, good)),
                    f"{at}.ssl.truststore.type": "PEM",
                    f"{at}.ssl.truststore.location": str(self.ca),
                    f"{at}.ssl.client.auth": "required" if name == "mtls" else "none",
                }
        for name in ("plain", "users"):
            self._properties[f"listener.name.{name}.sasl.enabled.mechanisms"] = "PLAIN"
            self._properties[f"listener.name.{name}.plain.sasl.jaas.config"] = _PLAIN
        self._properties |= {
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{_PACKAGE}.scram.ScramLoginModule required;",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": _OAUTH,
            "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": _UNSECURED,
        }


def certified(own: Pair) -> dict[str, str | None]:
    """The properties of a client certificate."""
    return {"ssl.certificate.location": str(own.certificate), "ssl.key.location": str(own.key)}


def store(own: Pair) -> Path:
    """Write a certificate and its key into one file, as Kafka wants it."""
    path = own.certificate.with_suffix(".store")
    path.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
    return path


def _rule(kind: str, name: str, *, prefixed: bool) -> tuple[Any, str, Any, str, str]:
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    return RIGHTS[kind], name, pattern, f"User:{USER}", "*"


def yesterday() -> dt.datetime:
    """When a certificate ended that has expired."""
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


def scorer(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command in a process of its own; return its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "scorer", *words],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def first(lines: Iterable[str], *words: str) -> str:
    """The first line with all of these words."""
    return next((line for line in lines if all(word in line for word in words)), "")
