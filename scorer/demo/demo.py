"""The demo from beginning to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from scorer.demo import Wanted, flights, proof, stage, stream, tables
from scorer.demo.show import Show, Story
from scorer.demo.stage import Stage
from scorer.demo.summary import Killed, Latency, Summary
from scorer.demo.traffic import Sender, Watcher
from scorer.errors import Fatal

KILL_AT = 0.4  # share of the records that are sent before the kill
LOOK_SECONDS = 0.25  # between two updates of the view
READY_SECONDS = 60.0
DRAIN_SECONDS = 60.0  # to score the records that were sent


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """A running demo."""

    wanted: Wanted
    stage: Stage
    story: Story
    sender: Sender
    watcher: Watcher


def run(wanted: Wanted, console: Console, watching: Callable[[Show], object] = bool) -> Summary:
    """Start everything, show it live, kill a replica meanwhile, and verify the result.

    Args:
        wanted: the user's options.
        console: the console to show it on.
        watching: called with the view at each update.

    Raises:
        Unavailable: Kafka had to be fetched and could not be.
        Fatal: a server or a replica failed.
    """
    story = Story(console)
    story.add("starting a real Kafka and a real Redis")
    with stage.opened() as opened:
        story.add(f"{opened.servers} are up")
        play = _prepare(wanted, opened, story)
        story.add(f"{wanted.replicas} replicas have joined the group; sending {play.wanted.rate:,.0f} events a second")
        play.watcher.start()
        killed = _play(play, watching)
        for replica in opened.replicas:
            replica.stop()
        play.watcher.stop()
        story.add("the replicas have stopped; verifying the result")
        return _summary(play, killed)


def _prepare(wanted: Wanted, opened: Stage, story: Story) -> Play:
    """Create topics, start the replicas and, while they join, load the features and make the events."""
    opened.create_topics()
    for number in range(wanted.replicas):
        opened.start(f"replica-{number + 1}")
    training, later = flights.split(flights.read())
    loaded = tables.as_loaded(training)
    counts = {entity: opened.load(entity, table) for entity, table in loaded.items()}
    story.add("features are in Redis: " + ", ".join(f"{count:,} for {entity}" for entity, count in counts.items()))
    made = stream.make(wanted.events or len(later), later, loaded, opened.model_file)
    story.add(
        f"encoded {len(made.flights):,} flights of September to December 2013, and scored them offline for comparison"
    )
    deadline = time.monotonic() + READY_SECONDS
    while not opened.ready:
        opened.look(story)
        if time.monotonic() > deadline:
            raise Fatal(f"not ready after {READY_SECONDS:.0f} s:\n{opened.unready}")
        time.sleep(LOOK_SECONDS)
    bootstrap = opened.sandbox.kafka.bootstrap
    sender = Sender(bootstrap, stage.EVENTS, made, wanted.rate, stage.PARTITIONS)
    watcher = Watcher(bootstrap, (stage.PREDICTIONS, stage.DEAD_LETTERS), sender, list(loaded))
    return Play(wanted, opened, story, sender, watcher)


def _play(play: Play, watching: Callable[[Show], object]) -> Killed:
    """Send everything, kill a replica meanwhile, and wait for all predictions and dead letters."""
    sender, watcher, opened = play.sender, play.watcher, play.stage
    half_way = KILL_AT * min(len(sender.stream.values), play.wanted.rate * play.wanted.seconds)
    killed: Killed | None = None
    with Show(play.story, f"scorer demo · {opened.servers}", watcher, opened.replicas) as show:
        sender.start()
        stop = time.monotonic() + play.wanted.seconds
        while killed is None or sender.is_alive() or watcher.outcomes < sender.sent or not opened.ready:
            time.sleep(LOOK_SECONDS)
            if failure := sender.failure or watcher.failure:
                raise Fatal(f"the sandbox's Kafka failed: {failure}")
            opened.look(play.story)
            show.look()
            watching(show)
            if killed is None and (sender.sent >= half_way or not sender.is_alive()):
                killed = _kill(play)
            if time.monotonic() > stop:
                sender.stop()
            if time.monotonic() > stop + DRAIN_SECONDS:
                break
        show.look()
    assert killed is not None  # noqa: S101  no other way out of the loop
    return killed


def _kill(play: Play) -> Killed:
    """Kill the first replica and start another one under its name."""
    victim = play.stage.replicas[0]
    reads = " ".join(map(str, victim.partitions))
    at_ms = time.time_ns() // 1_000_000
    victim.kill()
    play.story.add(
        f"killed {victim.name} (pid {victim.pid}) with SIGKILL; its partitions {reads} are not being read", "bold red"
    )
    successor = play.stage.start(victim.name)
    play.story.add(f"restarted {successor.name} (pid {successor.pid}): with the same name it gets the same partitions")
    return Killed(victim.name, victim.pid, successor.pid, at_ms)


def _summary(play: Play, killed: Killed) -> Summary:
    sender, watcher, opened = play.sender, play.watcher, play.stage
    seen = watcher.seen()
    verdict = proof.compare(sender.stream.expected, sender.positions[: sender.sent], seen)
    first, at = np.unique(seen.numbers, return_index=True)
    at, first = at[first >= 0], first[first >= 0]
    quality = proof.auc(sender.stream.late(first), seen.scores[at])
    waits = watcher.latency_ms()
    done_ms = sender.sent_ms[waits[:, 0]] + waits[:, 1]
    return Summary(
        verdict=verdict,
        events_per_second=round(1000 * watcher.outcomes / (watcher.last_ms - int(sender.sent_ms[0])), 1),
        latency_ms=Latency.of(waits[:, 1], waits[done_ms < killed.at_ms, 1]),
        auc=None if np.isnan(quality) else quality,
        replicas=play.wanted.replicas,
        killed=killed,
        kafka=opened.sandbox.kafka.version,
        redis=opened.sandbox.redis.version,
        model=opened.model,
        seconds=round(play.story.seconds, 1),
    )
