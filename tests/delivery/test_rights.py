"""The rights that a replica needs: `check` names each missing right, and the named rights are enough."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, though not in the way mypy asks for
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from scorer.kafka import Cluster, examine_rights
from scorer.kafka.brokers.grants import takes_idempotent_writes
from scorer.replica.check import Report, examine
from scorer.sandbox import Kafka
from scorer.sandbox.server import HOST, free_port
from scorer.settings import load as load_settings
from tests.conftest import DELIVERIES
from tests.delivery.conftest import MakeWorld
from tests.delivery.world import World

LOGIN = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "svc",
    "sasl.password": "secret",
}
GUARDED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # the tests themselves, and the broker
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.users.plain.sasl.jaas.config": (
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_svc="secret";'
    ),
}
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


@dataclass(frozen=True)
class Grant:
    """A rule that grants the user a right, as the arguments of `kafka-acls`."""

    operation: str
    option: str
    name: str
    pattern: str

    @classmethod
    def requested_in(cls, failure: str) -> "Grant":
        """Return the grant that a failure of the check asks for."""
        words = shlex.split(failure.split("`")[1])
        assert words[0] == "kafka-acls"
        assert words[3:6] == ["--add", "--allow-principal", "User:svc"]
        operation, option, name = words[7:10]
        return cls(operation, option, name, "prefixed" if words[-1] == "prefixed" else "literal")

    def make(self, admin: AdminClient) -> None:
        rule = AclBinding(*self._rule, self._operation, AclPermissionType.ALLOW)
        admin.create_acls([rule])[rule].result(30)

    def remove(self, admin: AdminClient) -> None:
        rule = AclBindingFilter(*self._rule, self._operation, AclPermissionType.ALLOW)
        assert len(admin.delete_acls([rule])[rule].result(30)) == 1

    @property
    def _operation(self) -> AclOperation:
        return AclOperation[self.operation.upper()]

    @property
    def _rule(self) -> tuple[ResourceType, str, ResourcePatternType, str, str]:
        return (KINDS[self.option], self.name, ResourcePatternType[self.pattern.upper()], "User:svc", "*")


@dataclass(frozen=True)
class Guarded:
    """A broker that allows a user only granted operations; its second listener has no access control."""

    kafka: Kafka
    users: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    kafka = Kafka(tmp_path_factory.mktemp("guarded") / "kafka", GUARDED)
    users = f"{HOST}:{free_port()}"
    for listeners in ("listeners", "advertised.listeners"):
        kafka._properties[listeners] += f",USERS://{users}"
    with kafka:
        yield Guarded(kafka, users)


def make_guarded_world(make_world: MakeWorld, guarded: Guarded, **settings: object) -> World:
    properties = LOGIN | {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
    chosen = {"kafka__bootstrap_servers": guarded.users, "kafka__properties": properties} | settings
    return make_world(bootstrap=guarded.kafka.bootstrap, **chosen)


def check(world: World) -> Report:
    report = examine(load_settings(world.folder / "scorer.yaml", environ={}).settings)
    assert report.problems == []
    return report


def lacking(world: World) -> list[Grant]:
    """Return the missing rights in the order of the report."""
    kafka = load_settings(world.folder / "scorer.yaml", environ={}).settings.kafka
    return [Grant.requested_in(failure) for failure in examine_rights(kafka, Cluster(1)).missing]


def needed(world: World) -> set[Grant]:
    grants = {
        Grant("Read", "--topic", world.input, "literal"),
        Grant("Write", "--topic", world.output, "literal"),
        Grant("Write", "--topic", world.dead, "literal"),
        Grant("Read", "--group", world.group, "literal"),
    }
    transactions = Grant("Write", "--transactional-id", f"{world.group}-", "prefixed")
    return grants | {transactions} if world.exactly_once else grants


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_each_missing_right_is_named_and_these_suffice_to_run_a_replica(
    make_world: MakeWorld, guarded: Guarded, delivery: str
) -> None:
    world = make_guarded_world(make_world, guarded, kafka__delivery=delivery, kafka__instance_id="one")
    failures = check(world).failures
    asked = {Grant.requested_in(failure) for failure in failures}
    assert (len(failures), asked) == (len(asked), needed(world))
    for grant in asked:
        grant.make(world.admin)
    report = check(world)
    assert report.failures == []
    assert any("DESCRIBE_CONFIGS" in warning and world.dead in warning for warning in report.warnings)

    world.send([*range(500), b"not an event"])
    replica = world.start()
    world.wait_committed()
    assert check(world).failures == []  # the same transactional.id as the running replica, which must not be disturbed
    world.send(range(500, 1_000))
    world.wait_committed()
    assert world.stop(replica) == 0
    assert "fenced" not in world.log()
    assert world.verify().repeated == 0

    for grant in asked:
        grant.remove(world.admin)
        assert lacking(world) == [grant]
        grant.make(world.admin)


def test_a_control_topic_needs_the_right_to_read_it(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded)
    control = f"{world.input}.control"
    world.admin.create_topics([NewTopic(control, 1)])[control].result()
    configured = yaml.safe_load((world.folder / "scorer.yaml").read_text())
    configured["kafka"]["control_topic"] = control
    (world.folder / "scorer.yaml").write_text(yaml.safe_dump(configured))
    read = Grant("Read", "--topic", control, "literal")
    assert set(lacking(world)) == needed(world) | {read}
    read.make(world.admin)
    assert set(lacking(world)) == needed(world)
    write = Grant("Write", "--topic", control, "literal")
    assert [Grant.requested_in(concern) for concern in concerns_of_guards(world)] == [write]
    write.make(world.admin)
    assert concerns_of_guards(world) == []


def concerns_of_guards(world: World) -> list[str]:
    kafka = load_settings(world.folder / "scorer.yaml", environ={}).settings.kafka
    return [concern for concern in examine_rights(kafka, Cluster(1)).concerns if "guards no canary" in concern]


def test_a_monitor_topic_needs_rights_only_to_tell_and_to_hear(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded)
    monitor = f"{world.input}.monitor"
    world.admin.create_topics([NewTopic(monitor, 1)])[monitor].result()
    kafka = load_settings(world.folder / "scorer.yaml", environ={}).settings.kafka

    def concerns() -> list[Grant]:
        found = examine_rights(kafka, Cluster(1), monitor=monitor)
        assert monitor not in " ".join(found.missing), "a replica runs without"
        return [Grant.requested_in(concern) for concern in found.concerns if "tell" in concern]

    wanted = [Grant(operation, "--topic", monitor, "literal") for operation in ("Write", "Read")]
    assert concerns() == wanted
    wanted[0].make(world.admin)
    assert concerns() == wanted[1:]
    wanted[1].make(world.admin)
    assert concerns() == []


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_replica_reports_a_missing_right_at_startup(make_world: MakeWorld, guarded: Guarded, delivery: str) -> None:
    world = make_guarded_world(make_world, guarded, kafka__delivery=delivery)
    granted = needed(world)
    for grant in granted:
        grant.make(world.admin)
    for grant in granted:
        grant.remove(world.admin)
        if grant.option != "--topic":  # without any right a topic is not even seen, with one its use is refused
            Grant("Describe", grant.option, grant.name, grant.pattern).make(world.admin)
        log = f"{grant.option}-{grant.name}.log"
        replica, asked = world.start(log), f"--operation {grant.operation} {grant.option} {grant.name}"
        if grant.option == "--group":  # it waits until the right is granted
            world.until(lambda file=log, words=asked: words in (world.folder / file).read_text(), "the right")
            assert world.stop(replica) == 0
        else:
            assert world.ended(replica) == 1
            assert asked in (world.folder / log).read_text()
        grant.make(world.admin)


def test_a_user_with_describe_only_lacks_the_same_rights(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded, kafka__delivery="exactly-once")
    for right in needed(world):
        Grant("Describe", right.option, right.name, right.pattern).make(world.admin)
    assert set(lacking(world)) == needed(world)


def test_a_denied_right_is_missing_even_if_it_is_granted(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded)
    for right in needed(world):
        right.make(world.admin)
    deny = AclBinding(
        ResourceType.TOPIC, world.output, ResourcePatternType.LITERAL, "User:svc", "*", AclOperation.WRITE,
        AclPermissionType.DENY,
    )  # fmt: skip
    world.admin.create_acls([deny])[deny].result(30)
    (failure,) = check(world).failures
    assert f"User:svc may not write to topic {world.output}; grant WRITE on topic" in failure
    assert "see that nothing denies it" in failure


def test_a_right_to_one_transactional_id_suffices_for_its_replica(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded, kafka__delivery="exactly-once", kafka__instance_id="one")
    for right in needed(world):
        if right.option != "--transactional-id":
            right.make(world.admin)
    Grant("Write", "--transactional-id", f"{world.group}-one", "literal").make(world.admin)
    assert lacking(world) == []


def test_the_right_to_idempotent_writes_is_implied_by_write_on_a_topic(make_world: MakeWorld, guarded: Guarded) -> None:
    world = make_guarded_world(make_world, guarded)
    kafka = load_settings(world.folder / "scorer.yaml", environ={}).settings.kafka
    everything = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # any name
        ResourcePatternType.ANY,
        "User:svc",
        "*",
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    world.admin.delete_acls([everything])[everything].result(30)
    assert not takes_idempotent_writes(kafka, 10)
    Grant("Write", "--topic", world.output, "literal").make(world.admin)
    assert takes_idempotent_writes(kafka, 10)
