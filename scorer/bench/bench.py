"""The measurement: a real replica works off a real backlog, and says itself where its time goes."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from scorer import settings as configuration
from scorer.bench import backlog
from scorer.bench.budget import Budget, Reading
from scorer.errors import Fatal, Unavailable
from scorer.sandbox import Sandbox
from scorer.sandbox.replica import Replica
from scorer.settings import FeatureSettings, Settings
from scorer.store import connect

FIRST_LOOK_SECONDS = 0.05  # between two looks, until the first batch is through
LOOK_SECONDS = 1.0  # between two later ones: to write /metrics takes the replica some milliseconds
STALL_SECONDS = 60.0  # without a batch: to load, to compile and to join the group on a slow machine
TRIES = 3  # at Redis, which may be slow to answer the first

Counting = Callable[[str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Result:
    """A backlog worked off.

    budget:       where the time went, once the first batches were through.
    dead_letters: events that became one.
    hits:         the share of look-ups that found features; None where there was none.
    """

    events: int
    budget: Budget
    dead_letters: int
    hits: float | None


def unreachable(features: FeatureSettings) -> str:
    """Say why Redis does not answer; empty where it does. Nothing is written to it."""
    with closing(connect(features.url, features.timeout_ms)) as store:
        why = ""
        for _ in range(TRIES):
            try:
                store.ping()
            except Unavailable as error:
                why = str(error)
            else:
                return ""
        return why


def work_off(
    settings: Settings,
    sandbox: Sandbox,
    events: Iterable[tuple[bytes | None, bytes]],
    counting: Counting,
    features_url: str | None = None,
) -> Result:
    """Have a replica work off a backlog on the sandbox's broker.

    Args:
        settings: of the replica; its brokers are not asked.
        sandbox: which has none of its topics yet.
        events: key and value of each.
        counting: shows how many events were produced, and scored.
        features_url: of Redis, in place of that of the settings.

    Raises:
        Fatal: the replica ended by itself, or stands still.
    """
    file = backlog.at_sandbox(settings, sandbox.folder, sandbox.kafka.bootstrap, features_url)
    with counting("events produced") as show:
        total = backlog.fill(configuration.load(file, environ={}).settings, events, show)
    replica = Replica("bench", file, file.with_suffix(".log"))
    try:
        with counting("events scored") as show:
            return _measured(replica, total, show)
    finally:
        replica.kill()


def _measured(replica: Replica, total: int, show: Callable[[int], None]) -> Result:
    """Read the metrics when the first batches are through and at the end; what is between is measured."""
    first = now = Reading.parse("")
    grown = time.monotonic()
    while now.done < total:
        time.sleep(LOOK_SECONDS if now.begun else FIRST_LOOK_SECONDS)
        said = replica.metrics()
        before, now = now, Reading.parse(said) if said else now
        if now.done > before.done:
            grown = time.monotonic()
            show(now.done)
        elif time.monotonic() > grown + STALL_SECONDS:
            raise Fatal(f"no event was scored for {STALL_SECONDS:.0f} s, after {now.done:,}:\n{replica.last_words}")
        replica.check()
        if not first.begun and now.begun <= total / 2:
            first = now
    letters = int(now.value("scorer_records_total", outcome="dead_letter"))
    return Result(total, Budget.between(first, now), letters, now.hits)
