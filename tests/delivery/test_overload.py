"""Overload, and uneven load."""

import time

import pytest

from scorer.sandbox import Redis
from tests.conftest import DELIVERIES
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load, resident_megabytes

HOT = 80_000
AHEAD = 30_000  # the producer's batches have up to 10,000 events, and brokers deliver only whole batches


@pytest.mark.prove
def test_lag_grows_under_overload_and_memory_does_not(make_world: MakeWorld) -> None:
    world = make_world(batch__max_records=1)  # such a replica cannot keep up
    with load(world, 6_000):
        replica = world.start()
        world.wait(1_000)
        before, behind = resident_megabytes(replica.pid), len(world.sent) - world.published()
        time.sleep(15)
        assert len(world.sent) - world.published() > behind
        assert resident_megabytes(replica.pid) < before + 30
    world.stop(replica)
    world.start(SCORER_BATCH__MAX_RECORDS="500")
    world.wait_committed()
    world.verify()


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_hot_partition_does_not_starve_the_others(make_world: MakeWorld, delivery: str) -> None:
    # Small batches, so that each costs much more than its events, as they do on a busy machine.
    world = make_world(kafka__delivery=delivery, batch__max_records=20)
    world.send(range(HOT), partition=0)
    world.start()
    world.wait(1_000)
    before = world.committed()[0]
    world.send(range(HOT, HOT + 100), partition=1)
    world.until(lambda: world.committed()[1] == 100, "predictions of the quiet partition", seconds=240)
    assert world.committed()[0] - before < AHEAD, "so many events of the hot partition came first"


@pytest.mark.prove
def test_a_stuck_loop_is_logged_before_its_partitions_are_lost(make_world: MakeWorld, own_redis: Redis) -> None:
    patience = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "max.poll.interval.ms": 10_000}
    world = make_world(redis=own_redis.url, features__timeout_ms=60_000, kafka__properties=patience)
    world.send(range(1_000))
    world.start()
    world.wait(1_000)
    own_redis.pause()
    world.send(range(1_000, 2_000))
    world.until(lambda: '"component": "loop"' in world.log(), "a log line about the loop")
    assert '"lost"' not in world.log()
    own_redis.resume()
    world.wait(2_000)
    assert '"lost"' not in world.log()
    assert world.verify().repeated == 0
