"""The journey of a batch, from the input topic to a committed offset, and nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from scorer.avro import Decoder, Encoder
from scorer.batch import Records
from scorer.errors import Unavailable
from scorer.kafka import DeadLetterLimit, Delivery, Source
from scorer.monitor import Component, Watch
from scorer.scoring import Scorer, SplitScorer
from scorer.store import Lookups

WAIT_SECONDS = 0.5  # between two retries while a server is unavailable
COMMIT_POLL_SECONDS = 0.01  # between two checks of a pending commit
CATCH_UP_SECONDS = 3.0  # for commits to catch up with the writes: a rebalance may delay them by a heartbeat
SLOW_WRITE_SECONDS = 10.0  # a replica whose writes are unacknowledged for longer is not ready


class Observed(Protocol):
    """Scores published batches once more, without delaying them: the shadows of a model."""

    def offer(self, records: Records) -> None:
        """Take a batch, or drop it if others wait already; never raise."""


@dataclass(frozen=True, slots=True)
class Core:
    """What scores a batch: replaced as a whole, between two batches."""

    decoder: Decoder
    scorer: Scorer | SplitScorer
    lookups: Lookups | None  # None if no plan has entities
    shadows: Sequence[Observed] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a batch passes through, in this order, and those that observe it."""

    source: Source
    core: Callable[[], Core]  # returns what scores the next batch
    limit: DeadLetterLimit
    encoder: Encoder
    delivery: Delivery
    watch: Watch


def run(parts: Parts, stopping: Callable[[], bool]) -> None:
    """Score batch after batch until asked to stop; the current batch is then finished, or abandoned uncommitted.

    Raises:
        Fatal: there is no safe way to continue. Nothing is committed that was not written.
    """
    watch = parts.watch
    watch.iteration_ended(None)  # time spent starting up belongs to no batch
    while not stopping():
        watch.heartbeat()
        batch = _next(parts, stopping)
        _score_when_possible(parts, batch, stopping)
        lookups = parts.core().lookups
        if batch is None and lookups and (reason := lookups.ping_if_idle()) is not None:
            watch.status(Component.FEATURES, reason)
        with watch.stage("reports"):
            parts.delivery.serve()
        with watch.stage("commit"):
            parts.delivery.commit()
        assignment, starts = parts.source.assignment, parts.source.starts
        watch.assigned(len(assignment.owned), joined=assignment.joined, decided=starts.decided)
        watch.iteration_ended(batch)


def score(parts: Parts, records: Records) -> None:
    """Take one batch from raw bytes to writes handed to the producer.

    Raises:
        Unavailable: the store is unavailable and the policy is to wait, or the registry cannot provide a schema now;
            nothing was published.
        Aborted: the transaction was aborted; no write of the batch becomes visible.
        Fatal: too many of the last records were rejected; nothing was published.
    """
    watch, core = parts.watch, parts.core()
    with watch.stage("decode"):
        events = core.decoder.decode(records)
    outcome = core.scorer.score(events, time.time())
    watch.scored(outcome)
    if core.lookups:
        watch.status(Component.FEATURES, core.lookups.fallback_reason, core.lookups.fallback_shown)
    with watch.stage("encode"):
        parts.limit.check(records, outcome.rejected)
        payloads = parts.encoder.encode(outcome.predictions)
    with watch.stage("publish"):
        parts.delivery.publish(records, payloads, outcome.rejected, partial(watch.written, records, outcome))
    for shadow in core.shadows:
        shadow.offer(records)


def _next(parts: Parts, stopping: Callable[[], bool]) -> Records | None:
    """Poll for the next batch once the window has room for it; return None if no record arrived."""
    if not _room(parts, stopping):
        return None
    with parts.watch.stage("consume"):
        return parts.source.poll()


def _score_when_possible(parts: Parts, records: Records | None, stopping: Callable[[], bool]) -> None:
    """Score a batch, with retries while a server is unavailable; partitions lost meanwhile leave the batch."""
    while records and not stopping():
        try:
            return score(parts, records)
        except Unavailable as error:
            parts.watch.status(Component(error.component), str(error), error.shown)
            records = parts.source.keep_alive(records, WAIT_SECONDS)
            parts.watch.heartbeat()
    return None


def _room(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, still polling the group, until the window has room for another batch; return whether it has."""
    watch = parts.watch
    while parts.delivery.full and not stopping():
        with watch.stage("reports"):
            parts.delivery.serve(WAIT_SECONDS / 10)
        with watch.stage("commit"):
            parts.delivery.commit()
        if parts.delivery.waiting_seconds > SLOW_WRITE_SECONDS:
            watch.status(Component.WRITES, f"not acknowledged for {SLOW_WRITE_SECONDS:g} seconds")
            parts.source.keep_alive(None, 0)
        watch.heartbeat()
    if not parts.delivery.full:
        watch.status(Component.WRITES)
    return not parts.delivery.full and _caught_up(parts, stopping)


def _caught_up(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, still polling the group, until commits have caught up with the writes; return whether they have."""
    watch, late_at = parts.watch, time.monotonic() + CATCH_UP_SECONDS
    while parts.delivery.behind and not stopping():
        with watch.stage("commit"):
            # One commit at a time: when the client retries the first, a second one could overtake it.
            parts.delivery.commit()
            parts.source.keep_alive(None, COMMIT_POLL_SECONDS)
        if time.monotonic() > late_at:
            what = "offsets of written records cannot be committed, so no more records are written"
            why = parts.source.commits.failure
            watch.status(Component.WRITES, f"{what}: {why}" if why else what)
        watch.heartbeat()
    return not parts.delivery.behind
