"""Kafka over TLS with each kind of login, on a real broker: what works, and what each wrong case says."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import Misconfigured, Unavailable
from scorer.replica.check import examine, require_topics
from scorer.settings import Settings
from scorer.settings import load as load_settings
from tests.certificates import pair, put
from tests.conftest import mainly
from tests.delivery.world import World
from tests.security.wire import PASSWORD, USER, Wire, certified

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(wire: Wire, redis_url: str, tmp_path: Path) -> Iterator[MakeWorld]:
    """Make a world whose replicas connect by one of the listeners, as a user with every right that they need."""
    with ExitStack() as stack:

        def make(listener: str, properties: dict[str, str], **settings: Any) -> World:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            chosen = {
                "kafka__bootstrap_servers": wire.addresses.get(listener, wire.bootstrap),
                "kafka__properties": properties | {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
            }
            return stack.enter_context(World(wire.bootstrap, redis_url, folder, **chosen | settings))

        yield make


def allow(wire: Wire, world: World) -> None:
    """Grant what `scorer check` would ask for."""
    wire.grant("read", "topic", world.input)
    wire.grant("write", "topic", world.output)
    wire.grant("write", "topic", world.dead)
    wire.grant("read", "group", world.group)
    wire.grant("write", "transactional id", f"{world.group}-", prefixed=True)


def settings_of(world: World) -> Settings:
    return load_settings(world.folder / "scorer.yaml", environ={}).settings


@pytest.mark.parametrize("listener", mainly("oauth", ("mtls", "plain", "scram", "oauth")))
def test_check_accepts_every_documented_listener(wire: Wire, make_world: MakeWorld, listener: str) -> None:
    world = make_world(listener, wire.properties(listener))
    allow(wire, world)
    report = examine(settings_of(world))
    assert (report.problems, report.failures) == ([], [])


@pytest.mark.parametrize("delivery", mainly("exactly-once"))
@pytest.mark.parametrize("listener", mainly("oauth", ("mtls", "plain", "scram", "oauth")))
def test_a_replica_scores_through_every_listener(
    wire: Wire, make_world: MakeWorld, listener: str, delivery: str
) -> None:
    world = make_world(listener, wire.properties(listener), kafka__delivery=delivery)
    allow(wire, world)
    world.send(range(500))
    replica = world.start()
    world.wait_committed()
    assert world.stop(replica) == 0
    assert world.verify().repeated == 0


GUESS = "wrong"  # a password

Make = Callable[[Wire], tuple[str, dict[str, str]]]


def on(listener: str, **changes: str | None) -> Make:
    """Connect to a listener with some properties changed."""
    return lambda wire: (listener, wire.properties(listener, **changes))


def by(listener: str, other: str) -> Make:
    """Connect to a listener with the properties of another one."""
    return lambda wire: (other, wire.properties(listener) if listener != "plaintext" else {})


def trusting_the_wrong_ca(wire: Wire) -> tuple[str, dict[str, str]]:
    return "plain", wire.properties("plain") | {"ssl.ca.location": str(wire.wrong_ca)}


def with_untrusted_certificate(wire: Wire) -> tuple[str, dict[str, str]]:
    return "mtls", wire.properties("tls") | {k: v for k, v in certified(wire.stranger).items() if v}


def with_expired_certificate(wire: Wire) -> tuple[str, dict[str, str]]:
    return "mtls", wire.properties("tls") | {k: v for k, v in certified(wire.old).items() if v}


WRONG: dict[str, tuple[Make, str]] = {
    "wrong CA": (
        trusting_the_wrong_ca,
        r"certificate is not accepted: .*; ssl\.ca\.location must contain the authority",
    ),
    "no CA": (on("plain", ssl_ca_location=None), r"not accepted: .*; ssl\.ca\.location must contain the authority"),
    "expired server": (on("expired"), r"certificate is not accepted: certificate has expired; renew the server's"),
    "other host": (
        on("elsewhere"),
        r"not accepted: IP address mismatch.*; the server's certificate is for another name",
    ),
    "no client certificate": (
        by("tls", "mtls"),
        r"requires a client certificate of an authority that it trusts: set ssl\.certificate\.location and",
    ),
    "a stranger's certificate": (
        with_untrusted_certificate,
        r"of an authority that it trusts: set ssl\.certificate\.location and",
    ),
    "expired client": (with_expired_certificate, r"does not accept the certificate in ssl\.certificate\.location"),
    "PLAIN password": (on("plain", sasl_password=GUESS), r"; check sasl\.username and sasl\.password"),
    "SCRAM password": (on("scram", sasl_password=GUESS), r"; check sasl\.username and sasl\.password"),
    "SCRAM user": (on("scram", sasl_username="nobody"), r"; check sasl\.username and sasl\.password"),
    "mechanism": (by("scram", "plain"), r"sasl\.mechanism is SCRAM-SHA-512; set one that the brokers have"),
    "OAUTHBEARER token": (
        on("oauth", sasl_oauthbearer_config=f"principal={USER} principalClaimName=who"),
        r"; check sasl\.oauthbearer\.\* and what the brokers expect of a token",
    ),
    "plaintext to TLS": (by("plaintext", "tls"), r"expects TLS; set security\.protocol: SSL"),
    "SASL without TLS to TLS": (by("users", "plain"), r"expects TLS; set security\.protocol: SASL_SSL"),
    "plaintext to SASL": (
        by("plaintext", "users"),
        r"expects a login; set security\.protocol: SASL_PLAINTEXT, and.*PLAIN",
    ),
    "TLS to plaintext": (by("tls", "plaintext"), r"that port does not speak TLS"),
    "TLS without SASL to SASL": (by("tls", "plain"), r"expects a login; set security\.protocol: SASL_SSL, and sasl\.m"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_security_problem_is_reported_in_one_message(wire: Wire, make_world: MakeWorld, case: str) -> None:
    choose, expected = WRONG[case]
    listener, properties = choose(wire)
    world = make_world(listener, properties)
    (failure,) = examine(settings_of(world)).failures
    assert re.search(expected, failure), failure
    assert PASSWORD not in failure
    with pytest.raises(Unavailable, match=expected):
        require_topics(settings_of(world).kafka)


def test_a_missing_file_is_a_wrong_configuration(wire: Wire, make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world("tls", wire.properties("tls", ssl_ca_location=str(tmp_path / "none.pem")))
    problems = examine(settings_of(world)).problems
    assert problems
    assert all("ssl.ca.location failed" in str(problem) for problem in problems), problems
    with pytest.raises(Misconfigured, match=r"ssl\.ca\.location failed"):
        require_topics(settings_of(world).kafka)


@pytest.mark.prove
def test_a_replaced_certificate_is_used_without_a_restart(wire: Wire, make_world: MakeWorld, tmp_path: Path) -> None:
    own = pair(wire.authority, tmp_path, "own", "svc@example.org", common_name=USER)
    world = make_world("mtls", wire.properties("tls") | {k: v for k, v in certified(own).items() if v})
    allow(wire, world)
    world.send(range(500))
    replica = world.start()
    world.wait_committed()
    put(own.key, "not a key")
    world.until(lambda: "the old ones stay" in world.log(), "warning of files that cannot be used")
    pair(wire.authority, tmp_path, "own", "svc@example.org", common_name=USER)
    world.send(range(500, 1_000))
    world.until(lambda: "replaced: reconnecting" in world.log(), "new clients")
    world.send(range(1_000, 1_500))
    world.wait_committed()
    assert world.stop(replica) == 0
    assert world.verify().repeated == 0


@pytest.mark.prove
def test_a_replaced_password_is_used_without_a_restart(wire: Wire, make_world: MakeWorld, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    properties = wire.properties("scram", sasl_password=None)
    world = make_world("scram", properties, kafka__property_files={"sasl.password": str(file)})
    allow(wire, world)
    try:
        world.send(range(500))
        replica = world.start()
        world.wait_committed()
        wire.give_scram("hunter-2-hunter")
        world.until(lambda: "check sasl.username and sasl.password" in world.log(), "line about the password")
        put(file, "hunter-2-hunter")
        world.until(lambda: "kafka login replaced" in world.log(), "new login")
        world.send(range(500, 1_000))
        world.wait_committed()
        assert world.stop(replica) == 0
        assert world.verify().repeated == 0
    finally:
        wire.give_scram()
    assert PASSWORD not in world.log()
    assert "hunter" not in world.log()
