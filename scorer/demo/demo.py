"""The demo from beginning to end."""

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console

from scorer.demo import Wanted, flights, proof, stage, stream, tables
from scorer.demo.course import Course, Happened, Killed, Play, drift, kill, roll_out
from scorer.demo.show import Show, Story
from scorer.demo.stage import Stage
from scorer.demo.summary import Latency, Summary
from scorer.demo.traffic import Sender, Watcher
from scorer.errors import Fatal

LOOK_SECONDS = 0.25  # between two updates of the view
READY_SECONDS = 60.0
DRAIN_SECONDS = 60.0  # to score the records that were sent


def run(wanted: Wanted, console: Console, watching: Callable[[Show], object] = bool) -> Summary:
    """Start everything, show it live, let something happen meanwhile, and verify the result.

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
    with stage.opened(rollout=wanted.rollout, labels=bool(wanted.broken)) as opened:
        story.add(f"{opened.servers} are up")
        play = _prepare(wanted, opened, story)
        story.add(f"{wanted.replicas} replicas have joined the group; sending {wanted.rate:,.0f} events a second")
        with opened.page() as address:
            story.add(f"watch it live: {address}", "bold cyan")
            play.watcher.start()
            happened = _play(play, wanted, watching)
            for replica in opened.replicas:
                replica.stop()
            play.watcher.stop()
        story.add("the replicas have stopped; verifying the result")
        return _summary(play, wanted, happened)


def _prepare(wanted: Wanted, opened: Stage, story: Story) -> Play:
    """Create topics, start the replicas and, while they join, load the features and make the events."""
    opened.create_topics()
    for number in range(wanted.replicas):
        opened.start(f"replica-{number + 1}")
    training, later = flights.split(flights.read())
    loaded = tables.as_loaded(training)
    counts = {entity: opened.load(entity, table) for entity, table in loaded.items()}
    story.add("features are in Redis: " + ", ".join(f"{count:,} for {entity}" for entity, count in counts.items()))
    made = stream.make(wanted.events or len(later), later, loaded, opened.model_files, wanted.broken)
    story.add(
        f"encoded {len(made.values):,} flights of September to December 2013, and scored them offline for comparison"
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
    return Play(opened, story, sender, watcher, min(len(made.values), wanted.rate * wanted.seconds))


def _play(play: Play, wanted: Wanted, watching: Callable[[Show], object]) -> Happened:
    """Send everything, let something happen meanwhile, and wait for all predictions and dead letters."""
    sender, watcher, opened = play.sender, play.watcher, play.stage
    course = _course(play, wanted)
    happened: Happened | None = None
    with Show(play.story, f"scorer demo · {opened.servers}", watcher, opened.replicas) as show:
        sender.start()
        stop = time.monotonic() + wanted.seconds
        while happened is None or not play.over or not opened.ready:
            time.sleep(LOOK_SECONDS)
            if failure := sender.failure or watcher.failure:
                raise Fatal(f"the sandbox's Kafka failed: {failure}")
            opened.look(play.story)
            show.look()
            watching(show)
            if happened is None:
                try:
                    next(course)
                except StopIteration as end:
                    happened = end.value
                    if wanted.rollout:  # a roll-out has as many events as it needs
                        sender.stop()
            if time.monotonic() > stop:
                sender.stop()
            if time.monotonic() > stop + DRAIN_SECONDS and happened is not None:
                break
        show.look()
    return happened


def _course(play: Play, wanted: Wanted) -> Course:
    if wanted.broken:
        return drift(play, wanted.broken)
    return roll_out(play) if wanted.rollout else kill(play)


def _summary(play: Play, wanted: Wanted, happened: Happened) -> Summary:
    sender, watcher, opened = play.sender, play.watcher, play.stage
    seen = watcher.seen()
    verdict = proof.compare(sender.stream.expected, sender.positions[: sender.sent], seen)
    first, at = np.unique(seen.numbers, return_index=True)
    at, first = at[first >= 0], first[first >= 0]
    quality = proof.auc(sender.stream.late(first), seen.scores[at])
    waits = watcher.latency_ms()
    done_ms = sender.sent_ms[waits[:, 0]] + waits[:, 1]
    before = waits[done_ms < happened.at_ms, 1] if isinstance(happened, Killed) else None
    return Summary(
        verdict=verdict,
        events_per_second=round(1000 * watcher.outcomes / (watcher.last_ms - int(sender.sent_ms[0])), 1),
        latency_ms=Latency.of(waits[:, 1], before),
        auc=None if np.isnan(quality) else quality,
        replicas=wanted.replicas,
        happened=happened,
        kafka=opened.sandbox.kafka.version,
        redis=opened.sandbox.redis.version,
        model=opened.model,
        seconds=round(play.story.seconds, 1),
    )
