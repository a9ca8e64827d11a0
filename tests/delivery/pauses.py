"""Measures how long events wait during rebalances, on its own servers: `python -m tests.delivery.pauses`.

The wait of an event is the time from its timestamp to its score. As in the tests, the session timeout is 6 s and the
heartbeat interval 0.5 s.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from scorer.sandbox import Kafka, Redis
from tests.delivery.test_guarantees import load, shared_by
from tests.delivery.test_rebalances import PROTOCOLS
from tests.delivery.world import World
from tests.forks import Command

RATE, STEADY_SECONDS = 1_000, 4.0
Replicas = list[Command]


def joins(world: World, replicas: Replicas) -> None:
    """Start one more replica."""
    replicas.append(world.start())
    world.until(lambda: shared_by(world, len(replicas)), "its share")


def leaves(world: World, replicas: Replicas) -> None:
    """Stop one replica."""
    world.stop(replicas.pop())


def dies(world: World, replicas: Replicas) -> None:
    """Kill one replica."""
    victim = replicas.pop()
    victim.kill()
    world.ended(victim)


def restart(world: World, replicas: Replicas) -> None:
    """Restart all replicas, one after another."""
    for replica in list(replicas):
        world.stop(replica)
        replicas.remove(replica)
        joins(world, replicas)


CHANGES: dict[str, tuple[int, Callable[[World, Replicas], None]]] = {
    "a second replica joins": (1, joins),
    "one of two leaves": (2, leaves),
    "one of two is killed": (2, dies),
    "rolling restart of three": (3, restart),
}


def longest_wait(world: World, running: int, change: Callable[[World, Replicas], None]) -> tuple[float, float]:
    """Return the longest and the median wait, in seconds, of the events after a change."""
    with load(world, RATE):
        replicas = [world.start() for _ in range(running)]
        world.until(lambda: shared_by(world, running), "replicas at work")
        time.sleep(STEADY_SECONDS)
        began = time.time()
        change(world, replicas)
        time.sleep(2 * STEADY_SECONDS)
    world.wait_committed()
    copies = [copy for held in world.verify().predictions.values() for copy in held]
    times = np.array([[copy[name].timestamp() for name in ("event_time", "scored_at")] for copy in copies])  # type: ignore[attr-defined]
    waits = (times[:, 1] - times[:, 0])[times[:, 0] >= began]
    return float(waits.max()), float(np.median(waits))


@contextmanager
def servers() -> Iterator[tuple[Kafka, Redis, Path]]:
    """Run a broker and a Redis in a folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Kafka(folder / "kafka") as kafka, Redis(folder / "redis") as redis:
            yield kafka, redis, folder


def main() -> None:
    """Measure each change by each protocol, and print a table."""
    with servers() as (kafka, redis, folder):
        sys.stdout.write("| | protocol | longest wait | median |\n|---|---|---|---|\n")
        for name, (running, change) in CHANGES.items():
            for protocol, properties in PROTOCOLS.items():
                place = folder / f"{len(list(folder.iterdir()))}"
                place.mkdir()
                with World(kafka.bootstrap, redis.url, place, partitions=6, kafka__properties=properties) as world:
                    longest, median = longest_wait(world, running, change)
                sys.stdout.write(f"| {name} | {protocol} | {longest:.1f} s | {1000 * median:.0f} ms |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
