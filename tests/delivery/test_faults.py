"""Servers fail while a replica runs: how it behaves, what it reports, and that it recovers by itself."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest
import redis
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, though not in the way mypy asks for
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from scorer.errors import Aborted, Fatal
from scorer.replica.connecting import REPEATED_EVENTS
from scorer.sandbox import Kafka, Redis
from scorer.sandbox.proxy import Network, Proxy
from scorer.sandbox.server import free_port
from tests.conftest import DELIVERIES, mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load, members
from tests.delivery.world import World
from tests.kafka.conftest import settings
from tests.kafka.delivery.test_exactly_once import Member, fence, join

OUTAGE_SECONDS = 3.0


@dataclass(frozen=True)
class Watched:
    """A world with one running replica, and its readiness."""

    world: World
    port: int

    def ready(self) -> tuple[int, list[str]]:
        """Return the status of /ready, and the failed conditions."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=10) as answer:
                return answer.status, json.load(answer)["failed"]
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)["failed"]

    def until(self, status: int, *failed: str) -> None:
        """Wait until /ready has this status and these failed conditions."""
        self.world.until(lambda: self.ready() == (status, list(failed)), f"{status} {failed} from /ready")

    def unhealthy(self) -> list[str]:
        """Return the unhealthy components in the log, one for each line."""
        lines = [json.loads(line) for line in self.world.log().splitlines() if line.startswith("{")]
        return [line["component"] for line in lines if line["event"] == "component unhealthy"]


def at_work(world: World) -> Watched:
    """Start a replica and wait until it scores."""
    port = free_port()
    world.start(SCORER_HTTP__PORT=str(port))
    world.wait(1)
    watched = Watched(world, port)
    watched.until(200)
    return watched


@pytest.mark.parametrize(
    ("network", "latency_s"),
    [
        pytest.param(Network.HOLE, 0.0, id="black hole"),
        pytest.param(Network.PASS, 1.0, id="slow", marks=pytest.mark.prove),
        pytest.param(Network.RESET, 0.0, id="reset", marks=pytest.mark.prove),
    ],
)
def test_a_network_failure_in_front_of_redis_is_waited_out(
    make_world: MakeWorld, redis_server: Redis, network: Network, latency_s: float
) -> None:
    with Proxy(redis_server.address) as proxy:
        world = make_world(redis=f"redis://{proxy.address}", features__timeout_ms=500)
        with load(world, 500):
            watched = at_work(world)
            before = members(world)
            proxy.set(network, latency_s)
            watched.until(503, "features")
            published = world.published()
            time.sleep(OUTAGE_SECONDS)
            assert world.published() == published
            assert (members(world), watched.ready()) == (before, (503, ["features"]))
            proxy.set()
            watched.until(200)
        world.wait(len(world.sent))
        assert watched.unhealthy() == ["features"]
        assert world.verify().repeated == 0


def test_a_full_or_read_only_redis_is_read_as_usual(make_world: MakeWorld, own_redis: Redis) -> None:
    world = make_world(redis=own_redis.url)
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            client.set("more", "than it holds")
        client.replicaof("127.0.0.1", str(free_port()))
        with pytest.raises(redis.ReadOnlyError):
            client.set("more", "than it may")
    world.send(range(500))
    watched = at_work(world)
    world.wait(500)
    assert watched.unhealthy() == []
    assert world.verify().repeated == 0


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_frozen_broker_is_waited_for(make_world: MakeWorld, own_kafka: Kafka, delivery: str) -> None:
    # The default session timeout of 45 seconds: without an answer for longer, a replica considers its partitions lost.
    world = make_world(bootstrap=own_kafka.bootstrap, kafka__delivery=delivery, kafka__properties={})
    with load(world, 500):
        watched = at_work(world)
        before = members(world)
        own_kafka.pause()
        told = {"kafka", "writes"}  # the latter if a transaction is open
        world.until(lambda: told & set(watched.ready()[1]), "word of the brokers", seconds=20)
        own_kafka.resume()
        watched.until(200)
    world.wait_committed()
    assert members(world) == before
    assert set(watched.unhealthy()) <= told
    assert len(watched.unhealthy()) <= 3  # the transaction may have timed out meanwhile
    assert world.verify().repeated == 0


ACL = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker with access control: its rules are for one topic or group."""
    with Kafka(tmp_path_factory.mktemp("guarded"), ACL) as server:
        yield server


@dataclass(frozen=True)
class Right:
    """A right of all users on a topic or a group."""

    world: World
    operation: AclOperation
    name: str
    kind: ResourceType = ResourceType.TOPIC

    def forbid(self) -> None:
        """Revoke the right."""
        allow = AclBinding(*self._everyone, AclOperation.ALL, AclPermissionType.ALLOW)  # allows all else
        deny = AclBinding(*self._everyone, self.operation, AclPermissionType.DENY)
        for made in self.world.admin.create_acls([allow, deny]).values():
            made.result(30)

    def give_back(self) -> None:
        """Grant the right again."""
        denied = AclBindingFilter(*self._everyone, self.operation, AclPermissionType.DENY)
        for deleted in self.world.admin.delete_acls([denied]).values():
            assert len(deleted.result(30)) == 1

    @property
    def _everyone(self) -> tuple[ResourceType, str, ResourcePatternType, str, str]:
        return (self.kind, self.name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")


@pytest.mark.prove
def test_the_loss_of_a_right_to_read_is_waited_out(make_world: MakeWorld, guarded: Kafka) -> None:
    world = make_world(bootstrap=guarded.bootstrap, kafka__properties={})
    with load(world, 500):
        watched = at_work(world)
        before = members(world)
        right = Right(world, AclOperation.READ, world.input)
        right.forbid()
        watched.until(503, "kafka")
        time.sleep(OUTAGE_SECONDS)
        assert (members(world), watched.ready()) == (before, (503, ["kafka"]))
        assert f"User:ANONYMOUS may not read topic {world.input}; grant READ on topic {world.input} and" in world.log()
        right.give_back()
        watched.until(200)
    world.wait_committed()
    assert world.log().count("commit failed, will retry") <= 1
    assert watched.unhealthy() == ["kafka"]
    assert world.verify().repeated == 0


def test_a_lost_right_to_write_is_reported_by_a_transaction_awaiting_its_reports(
    make_world: MakeWorld, guarded: Kafka
) -> None:
    """The reports only say that the writes were dropped; why is known to the transaction alone."""
    world = make_world(bootstrap=guarded.bootstrap)
    member = join(settings(guarded.bootstrap), world.input, world.output)
    member.publish()
    fence(member.kafka, member.transactions)
    with pytest.raises(Aborted):
        member.publish(3)  # so the next attempt asks for reports
    right = Right(world, AclOperation.WRITE, world.output)
    right.forbid()
    with closing(member.consumer):
        with pytest.raises(Fatal, match="refused a write"):
            publish_or_retry(member)
        right.give_back()
        assert member.committed() == 3


def publish_or_retry(member: Member) -> None:
    for _ in range(5):
        with suppress(Aborted):
            return member.publish(3)
    return None


@pytest.mark.parametrize("delivery", mainly("at-least-once"))
def test_a_lost_right_to_write_stops_the_replica(make_world: MakeWorld, guarded: Kafka, delivery: str) -> None:
    world = make_world(bootstrap=guarded.bootstrap, kafka__delivery=delivery)
    world.send(range(1_000))
    replica = world.start()
    world.wait_committed()
    committed = world.committed()
    right = Right(world, AclOperation.WRITE, world.output)
    right.forbid()
    world.send(range(1_000, 2_000))
    assert world.ended(replica) == 1
    assert f"refused a write: kafka: User:ANONYMOUS may not write to topic {world.output}; grant WRITE" in world.log()
    assert world.committed() == committed
    right.give_back()
    world.start()
    world.wait_committed()
    assert world.verify().repeated == 0


@pytest.mark.prove
def test_the_loss_of_a_right_to_the_group_is_waited_out(make_world: MakeWorld, guarded: Kafka) -> None:
    world = make_world(bootstrap=guarded.bootstrap)
    with load(world, 4_000):
        watched = at_work(world)
        right = Right(world, AclOperation.READ, world.group, ResourceType.GROUP)
        right.forbid()
        watched.until(503, "assigned", "kafka")  # after the session timeout of six seconds
        right.give_back()
        watched.until(200)
    world.wait_committed()
    assert world.verify().repeated <= REPEATED_EVENTS
    assert watched.unhealthy() == ["writes", "kafka"]
    assert f"User:ANONYMOUS may not join group {world.group} or commit its offsets; grant READ on group" in world.log()


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_an_idle_replica_continues_after_a_broker_outage(
    make_world: MakeWorld, own_kafka: Kafka, delivery: str
) -> None:
    world = make_world(bootstrap=own_kafka.bootstrap, kafka__delivery=delivery, kafka__properties={})
    world.send(range(1_000))
    watched = at_work(world)
    world.wait_committed()
    own_kafka.kill()
    watched.until(503, "kafka")
    time.sleep(5)
    own_kafka.start()
    watched.until(200)
    world.send(range(1_000, 2_000))
    world.wait_committed()
    world.verify()
