"""Three brokers, of which some fail: leaders and coordinators move, and writes wait for in-sync replicas."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from scorer.sandbox import Kafka, cluster
from tests.conftest import DELIVERIES, mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_faults import at_work
from tests.delivery.test_guarantees import load
from tests.delivery.test_rebalances import PROTOCOLS
from tests.delivery.world import ASK_SECONDS, World
from tests.kafka.ends import patiently


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Kafka]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as brokers:
        yield brokers


def bootstrap(brokers: list[Kafka]) -> str:
    return ",".join(broker.bootstrap for broker in brokers)


def in_sync(world: World) -> list[int]:
    """Return the number of in-sync replicas of each partition of the world's topics."""

    def ask(names: list[str]) -> list[int]:
        admin = AdminClient({"bootstrap.servers": world.bootstrap, "log_level": 2})
        topics = admin.describe_topics(TopicCollection(names), request_timeout=ASK_SECONDS)
        return [len(partition.isr) for topic in topics.values() for partition in topic.result().partitions]

    return patiently(ask, [world.input, world.output, world.dead])


def repeats_nothing(world: World) -> bool:
    """Whether every event has one output, or a session expired, which repeats batches in flight."""
    return world.verify().repeated == 0 or '"kind": "lost"' in world.log()


@contextmanager
def without(world: World, broker: Kafka, *, noticed: bool = True) -> Iterator[None]:
    """Kill one broker for a time, optionally after the others have noticed; wait until it has caught up."""
    broker.kill()
    if noticed:
        world.until(lambda: max(in_sync(world)) < 3, "notice of a broker that is gone")
    try:
        yield
    finally:
        broker.start()
    world.until(lambda: min(in_sync(world)) == 3, "all replicas in sync")


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_each_leader_and_coordinator_may_fail(make_world: MakeWorld, brokers: list[Kafka], delivery: str) -> None:
    world = make_world(bootstrap=bootstrap(brokers), kafka__delivery=delivery)
    with load(world, 500):
        watched = at_work(world)
        for broker in brokers:
            with without(world, broker):
                world.wait(world.published() + 500)
        watched.until(200)
    world.wait_committed()
    assert repeats_nothing(world), world.log()


def coordinator(world: World, brokers: list[Kafka]) -> Kafka:
    """The broker that coordinates the world's group."""

    def ask(group: str) -> int:
        admin = AdminClient({"bootstrap.servers": world.bootstrap, "log_level": 2})
        described = admin.describe_consumer_groups([group], request_timeout=ASK_SECONDS)[group].result(ASK_SECONDS)
        return int(described.coordinator.port)

    port = patiently(ask, world.group)
    (found,) = [broker for broker in brokers if broker.bootstrap.endswith(f":{port}")]
    return found


@pytest.mark.prove
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_stop_while_the_coordinator_moves_repeats_nothing(
    make_world: MakeWorld, brokers: list[Kafka], delivery: str, protocol: str
) -> None:
    properties = PROTOCOLS[protocol]
    if protocol == "classic":  # a busy machine may need more than the six seconds to elect another coordinator
        properties = properties | {"session.timeout.ms": 20_000}
    world = make_world(bootstrap=bootstrap(brokers), kafka__delivery=delivery, kafka__properties=properties)
    with load(world, 500):
        replica = world.start()
        world.wait(1_000)
        with without(world, coordinator(world, brokers), noticed=False):
            assert world.stop(replica) == 0
        assert "stopped: everything written is committed" in world.log()
        world.start()
    world.wait_committed()
    assert world.verify().repeated == 0


@pytest.mark.parametrize("delivery", mainly("exactly-once"))
@pytest.mark.prove
def test_writes_wait_until_enough_replicas_are_in_sync(
    make_world: MakeWorld, brokers: list[Kafka], delivery: str
) -> None:
    world = make_world(bootstrap=bootstrap(brokers), kafka__delivery=delivery)
    world.alter(world.output, "min.insync.replicas", "3")
    with load(world, 500):
        watched = at_work(world)
        with without(world, brokers[0]):
            watched.until(503, "writes")
        watched.until(200)
    world.wait_committed()
    assert repeats_nothing(world), world.log()


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_broker_that_dies_of_a_disk_error_is_waited_for(
    make_world: MakeWorld, own_kafka: Kafka, delivery: str
) -> None:
    world = make_world(bootstrap=own_kafka.bootstrap, kafka__delivery=delivery)
    with load(world, 500):
        watched = at_work(world)
        resource.prlimit(own_kafka.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        world.until(lambda: not own_kafka.running, "end of a broker without a disk")
        world.until(lambda: "kafka" in watched.ready()[1], "word of the broker")
        own_kafka.start()
        watched.until(200)
    world.wait_committed()
    assert repeats_nothing(world), world.log()
