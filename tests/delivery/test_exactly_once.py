"""Transactions: a replaced replica writes nothing, and its open transaction delays nobody for long."""

import signal
import time

import pytest

from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load, shared_by
from tests.forks import freeze

STANDSTILL_SECONDS = 13  # longer than the session timeout and the transaction timeout
ABORTED_SECONDS = 15  # the transaction timeout, the second between two checks of the brokers, and a margin


@pytest.mark.prove
def test_a_replica_that_was_frozen_continues_by_itself(make_world: MakeWorld) -> None:
    world = make_world(kafka__delivery="exactly-once")
    with load(world, 1_000):
        replicas = [world.start(), world.start()]
        world.until(lambda: shared_by(world, 2), "two replicas at work")
        freeze(replicas[0])
        time.sleep(STANDSTILL_SECONDS)
        replicas[0].send_signal(signal.SIGCONT)
        time.sleep(3)
    world.wait_committed()
    assert [world.stop(replica) for replica in replicas] == [0, 0]
    assert "lost" in world.log()
    world.verify()


def test_a_replica_whose_instance_id_is_taken_over_is_fenced_and_logs_it(make_world: MakeWorld) -> None:
    world = make_world(kafka__delivery="exactly-once", kafka__instance_id="one")
    with load(world, 1_000):
        zombie = world.start()
        world.wait(1_000)
        freeze(zombie)
        world.start("other.log")
        world.until(lambda: "partition assignment changed" in (world.folder / "other.log").read_text(), "a replacement")
        zombie.send_signal(signal.SIGCONT)
        assert world.ended(zombie) == 1
    world.wait_committed()
    assert "fenced" in world.log()
    world.verify()


@pytest.mark.prove
def test_a_killed_replicas_open_transaction_is_aborted_by_its_successor(make_world: MakeWorld) -> None:
    patience = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "transaction.timeout.ms": 600_000}
    world = make_world(kafka__delivery="exactly-once", kafka__instance_id="one", kafka__properties=patience)
    with load(world, 2_000):
        victim = world.start()
        for _ in range(3):
            world.wait(world.published() + 1)
            world.kill_within_a_transaction(victim, world.output)
            world.ended(victim)
            victim = world.start()
            world.wait_ended()  # long before the brokers would abort it
    world.wait_committed()
    world.verify()


@pytest.mark.prove
def test_a_killed_replicas_open_transaction_is_finally_aborted_by_the_brokers(make_world: MakeWorld) -> None:
    world = make_world(kafka__delivery="exactly-once", kafka__instance_id="one")
    with load(world, 1_000):
        victim = world.start()
        world.wait(1)
        world.kill_within_a_transaction(victim, world.output)
    world.ended(victim)
    begin = time.monotonic()
    world.wait_ended()
    assert time.monotonic() - begin < ABORTED_SECONDS
    world.start()
    world.wait_committed()
    world.verify()
