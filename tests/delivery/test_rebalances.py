"""Replicas join and leave under load, with both protocols of consumer groups."""

import time

import pytest

from scorer.sandbox import Redis
from tests.conftest import mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load, owners, shared_by

PROTOCOLS: dict[str, dict[str, str | int]] = {
    "classic": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
    "consumer": {"group.protocol": "consumer"},  # the brokers set both timeouts
}


@pytest.mark.parametrize("delivery", mainly("at-least-once"))
@pytest.mark.parametrize("protocol", mainly("classic", of=PROTOCOLS))
def test_a_rolling_restart_loses_and_repeats_nothing(make_world: MakeWorld, protocol: str, delivery: str) -> None:
    world = make_world(partitions=6, kafka__delivery=delivery, kafka__properties=PROTOCOLS[protocol])
    with load(world, 2_000):
        replicas = [world.start() for _ in range(3)]
        world.until(lambda: shared_by(world, 3), "three replicas at work")
        for replica in replicas:
            assert world.stop(replica) == 0
            world.start()
            world.until(lambda: shared_by(world, 3), "three replicas at work again")
    world.wait_committed()
    assert world.verify().repeated == 0


@pytest.mark.prove
def test_a_killed_replica_of_the_consumer_protocol_is_replaced(make_world: MakeWorld) -> None:
    world = make_world(kafka__properties=PROTOCOLS["consumer"])
    with load(world, 2_000):
        replicas = [world.start(), world.start()]
        for _ in range(3):
            world.until(lambda: shared_by(world, 2), "two replicas at work")
            victim = replicas.pop(0)
            victim.kill()
            world.ended(victim)
            replicas.append(world.start())
            world.until(lambda: shared_by(world, 2), "two replicas at work again")
    world.wait_committed()
    world.verify()


@pytest.mark.prove
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_named_replica_returns_to_its_partitions_and_moves_no_others(make_world: MakeWorld, protocol: str) -> None:
    patience = {"session.timeout.ms": 45_000} if protocol == "classic" else {}
    world = make_world(kafka__properties=PROTOCOLS[protocol] | patience)
    world.lengthen_static_sessions()
    with load(world, 1_000):
        world.start("stays.log", SCORER_KAFKA__INSTANCE_ID="stays")
        leaves = world.start("leaves.log", SCORER_KAFKA__INSTANCE_ID="leaves")
        world.until(lambda: shared_by(world, 2), "two replicas at work")
        before, said = owners(world), (world.folder / "stays.log").read_text()
        assert world.stop(leaves) == 0
        world.start("back.log", SCORER_KAFKA__INSTANCE_ID="leaves")
        world.until(lambda: "partition assignment changed" in (world.folder / "back.log").read_text(), "its return")
        world.wait(world.published() + 1_000)
        assert sorted(map(sorted, owners(world).values())) == sorted(map(sorted, before.values()))
        assert (world.folder / "stays.log").read_text() == said
    world.wait_committed()
    assert world.verify().repeated == 0


@pytest.mark.prove
def test_a_named_replica_killed_during_a_revocation_leaves_no_partition_unowned(
    make_world: MakeWorld, own_redis: Redis
) -> None:
    """Its successor takes its place without a rebalance, so nobody hears of the partitions that it had given up."""
    patience = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 300}
    world = make_world(redis=own_redis.url, kafka__properties=patience, features__timeout_ms=60_000)
    with load(world, 1_000):
        dies = world.start("dies.log", SCORER_KAFKA__INSTANCE_ID="dies")
        world.wait(1_000)
        own_redis.pause()
        time.sleep(2)  # it waits for features, and only answers the group
        world.start("joins.log", SCORER_KAFKA__INSTANCE_ID="joins", SCORER_FEATURES__TIMEOUT_MS="100")
        world.until(lambda: '"assigned"' in (world.folder / "joins.log").read_text(), "a share of nothing")
        dies.kill()
        world.ended(dies)
        own_redis.resume()
        world.start("back.log", SCORER_KAFKA__INSTANCE_ID="dies")
        world.until(lambda: shared_by(world, 2), "an owner for each partition")
    world.wait_committed()
    world.verify()
