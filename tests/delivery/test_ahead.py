"""Kills and rebalances in a backlog, in which the next batch is polled and looked up before the current one is done."""

import random
import signal
import time

import pytest

from tests.conftest import DELIVERIES, mainly
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import shared_by

EVENTS = 12_000
KEY = b"one key, so one output partition"
KILLS = [2, pytest.param(12, marks=pytest.mark.prove)]


@pytest.mark.parametrize("delivery", mainly("exactly-once"))
@pytest.mark.parametrize("kills", KILLS)
def test_kill_9_in_a_backlog_loses_nothing_and_keeps_the_order(
    make_world: MakeWorld, delivery: str, kills: int
) -> None:
    world = make_world(kafka__delivery=delivery, batch__max_records=50)
    chance = random.Random(7)  # noqa: S311  the moments of the kills, the same in every run
    world.send(range(EVENTS), key=KEY)
    for number in range(kills):
        victim = world.start()
        world.wait(world.published() + 1)
        time.sleep(chance.uniform(0, 0.05))
        assert victim.poll() is None, world.log()[-2000:]
        victim.kill()
        assert world.ended(victim) == -signal.SIGKILL
        world.send(
            range(EVENTS + 1_000 * number, EVENTS + 1_000 * (number + 1)), key=b"one key, so one output partition"
        )
    world.start()
    world.wait_committed()
    for offsets in world.verify().order.values():
        firsts = list(dict.fromkeys(offsets))
        assert firsts == sorted(firsts)


@pytest.mark.prove
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_replica_that_joins_in_a_backlog_repeats_nothing(make_world: MakeWorld, delivery: str) -> None:
    world = make_world(kafka__delivery=delivery, batch__max_records=50)
    world.send(range(2 * EVENTS))
    first = world.start()
    world.wait(1)
    second = world.start()
    world.until(lambda: shared_by(world, 2), "two replicas at work")
    world.send(range(2 * EVENTS, 3 * EVENTS))
    assert world.stop(second) == 0
    world.wait_committed()
    assert world.stop(first) == 0
    assert world.verify().repeated == 0
