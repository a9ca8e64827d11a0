"""The measurement: a real replica works through a real backlog, and its metrics show where the time goes."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from scorer import settings as configuration
from scorer.bench import backlog
from scorer.bench.budget import Budget, Scrape
from scorer.errors import Fatal, Unavailable
from scorer.sandbox import Sandbox
from scorer.sandbox.replica import Replica
from scorer.settings import FeatureSettings, Settings
from scorer.store import connect

FIRST_LOOK_SECONDS = 0.05  # between two scrapes of /metrics, until the first batch is done
LOOK_SECONDS = 1.0  # between two later scrapes: rendering /metrics takes the replica some milliseconds
STALL_SECONDS = 60.0  # most time without progress: loading, compiling and joining may be slow
TRIES = 3  # pings of Redis, which may be slow to answer the first

Counting = Callable[[str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a measurement.

    budget:       where the time went, without the first batches.
    dead_letters: the number of events that became dead letters.
    hits:         the share of look-ups that found features; None without look-ups.
    """

    events: int
    budget: Budget
    dead_letters: int
    hits: float | None


def unreachable(features: FeatureSettings) -> str:
    """Return why Redis does not answer; empty if it does. Nothing is written to it."""
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
    """Let a replica work through a backlog on the sandbox's broker.

    Args:
        settings: the replica's settings; their brokers are not contacted.
        sandbox: a sandbox without the settings' topics.
        events: key and value of each event.
        counting: shows how many events were produced and scored.
        features_url: the address of Redis, instead of that in the settings.

    Raises:
        Fatal: the replica exited, or makes no progress.
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
    """Read the metrics after the first batches and at the end; the difference is the result."""
    first = now = Scrape.parse("")
    grown = time.monotonic()
    while now.done < total:
        time.sleep(LOOK_SECONDS if now.begun else FIRST_LOOK_SECONDS)
        said = replica.metrics()
        before, now = now, Scrape.parse(said) if said else now
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
