"""A stop is not a fault, whatever the group is doing at that moment."""

import json
import signal
import time
from typing import Any

import pytest

from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load
from tests.delivery.test_rebalances import PROTOCOLS as QUICK
from tests.delivery.world import World
from tests.forks import freeze

RATE = 1_300
# The joining replica learns of the second round of the rebalance with its next heartbeat, 3 s after the first round.
# Until then no commit of the other replica succeeds.
PROTOCOLS: dict[str, dict[str, str | int]] = {
    "classic": {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 3_000},
    "consumer": {"group.protocol": "consumer"},
}
# `make test` tries each protocol and each mode once.
COMBINATIONS = [
    ("classic", "at-least-once"),
    pytest.param("classic", "exactly-once", marks=pytest.mark.prove),
    pytest.param("consumer", "at-least-once", marks=pytest.mark.prove),
    ("consumer", "exactly-once"),
]
SOON = {"session.timeout.ms": 10_000}  # the brokers wait for so long for a replica that could not leave in time


def said(world: World, name: str = "replicas.log") -> list[dict[str, Any]]:
    """The lines of a replica's log."""
    lines = (world.folder / name).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def was_revoked(world: World) -> bool:
    return any(line.get("kind") == "revoked" for line in said(world))


def stop_during_a_rebalance(world: World) -> None:
    """Stop the first of two replicas as soon as the second has taken partitions from it."""
    first = world.start()
    world.wait(2 * RATE)
    world.start("second.log")
    world.until(lambda: was_revoked(world), "a rebalance")
    time.sleep(0.2)  # so that something is written but not committed
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGTERM)  # a second signal must change nothing
    assert world.ended(first) == 0


def refused_while_stopping(world: World) -> bool:
    events = [line["event"] for line in said(world)]
    return any("commit refused" in event for event in events[events.index("stopping") :])


def second_owns_all(world: World) -> bool:
    """Whether the second replica owns every partition."""
    lines = [line for line in said(world, "second.log") if line.get("kind") == "assigned"]
    return any(len(line["partitions"].split()) == world.partitions for line in lines)


@pytest.mark.parametrize(("protocol", "delivery"), COMBINATIONS)
def test_a_stop_during_a_rebalance_repeats_nothing(make_world: MakeWorld, protocol: str, delivery: str) -> None:
    shows_itself = (protocol, delivery) == ("classic", "at-least-once")  # else no commit is refused
    for _ in range(3 if shows_itself else 1):  # on a busy machine the stop may come when the rebalance has ended
        world = make_world(kafka__delivery=delivery, kafka__properties=PROTOCOLS[protocol])
        with load(world, RATE):
            stop_during_a_rebalance(world)
        world.wait_committed()
        assert world.verify().repeated == 0
        assert said(world)[-1]["event"] == "stopped: everything written is committed"
        if shows_itself and refused_while_stopping(world):
            return
        for replica in [*world.replicas]:
            assert world.stop(replica) == 0
    assert not shows_itself, "each stop missed the pending rebalance"


@pytest.mark.prove
def test_a_stop_past_its_deadline_logs_how_many_events_may_be_repeated(make_world: MakeWorld) -> None:
    for _ in range(3):  # on a busy machine the stop may come when the rebalance has ended
        world = make_world(kafka__properties=PROTOCOLS["classic"] | SOON, shutdown__deadline_s=0.5)
        with load(world, RATE):
            stop_during_a_rebalance(world)
        world.wait_committed()
        repeated, last = world.verify().repeated, said(world)[-1]
        if last["event"] == "stopped with uncommitted events: they will be scored again":
            assert 0 < repeated <= last["at_most"]
            return
        assert (repeated, last["event"]) == (0, "stopped: everything written is committed")
        for replica in [*world.replicas]:
            assert world.stop(replica) == 0
    pytest.fail("each stop missed the pending rebalance")


@pytest.mark.prove
@pytest.mark.parametrize("protocol", QUICK)
def test_a_stop_after_the_partitions_were_lost_commits_nothing(make_world: MakeWorld, protocol: str) -> None:
    world = make_world(kafka__properties=QUICK[protocol])
    with load(world, RATE):
        first = world.start()
        world.wait(2 * RATE)
        freeze(first)
        second = world.start("second.log")
        world.until(lambda: second_owns_all(world), "one replica that has all partitions")
        freeze(second)  # so that it cannot immediately repair what the first replica would break
        committed = world.committed()
        first.send_signal(signal.SIGTERM)
        first.send_signal(signal.SIGCONT)
        assert world.ended(first) == 0
        assert world.committed() == committed
        second.send_signal(signal.SIGCONT)
    world.wait_committed()
    world.verify()
