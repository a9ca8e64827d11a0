"""The journey of a batch, from the input topic to a committed offset, and nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from scorer.avro import Decoder, Encoder
from scorer.batch import Outcome, Payloads, Records
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


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch whose writes are ready."""

    records: Records
    payloads: Payloads
    outcome: Outcome
    shadows: Sequence[Observed]  # those of the time when it was scored


def run(parts: Parts, stopping: Callable[[], bool]) -> None:
    """Score batch after batch until asked to stop; the current batch is then finished, or abandoned uncommitted.

    Raises:
        Fatal: there is no safe way to continue. Nothing is committed that was not written.
    """
    watch, delivery = parts.watch, parts.delivery
    watch.iteration_ended(None)  # time spent starting up belongs to no batch
    while not stopping():
        watch.heartbeat()
        if not (delivery.full(1) or delivery.behind):
            watch.status(Component.WRITES)
        with watch.stage("consume"):
            batch = parts.source.poll()
        _finish_when_possible(parts, batch, stopping)
        lookups = parts.core().lookups
        if batch is None and lookups and (reason := lookups.ping_if_idle()) is not None:
            watch.status(Component.FEATURES, reason)
        with watch.stage("reports"):
            delivery.serve()
        with watch.stage("commit"):
            delivery.commit()
        assignment, starts = parts.source.assignment, parts.source.starts
        watch.assigned(len(assignment.owned), joined=assignment.joined, decided=starts.decided)
        watch.iteration_ended(batch)


def score(parts: Parts, records: Records) -> Scored:
    """Take one batch from raw bytes to encoded predictions.

    Raises:
        Unavailable: the store is unavailable and the policy is to wait, or the registry cannot provide a schema now.
        Fatal: too many of the last records were rejected.
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
        return Scored(records, parts.encoder.encode(outcome.predictions), outcome, core.shadows)


def publish(parts: Parts, batch: Scored) -> None:
    """Hand the writes of a scored batch to the producer.

    Raises:
        Aborted: the transaction was aborted; no write of the batch becomes visible.
        Fatal: the brokers permanently refuse a write.
    """
    watch, records, outcome = parts.watch, batch.records, batch.outcome
    with watch.stage("publish"):
        parts.delivery.publish(records, batch.payloads, outcome.rejected, partial(watch.written, records, outcome))
    for shadow in batch.shadows:
        shadow.offer(records)
    watch.status(Component.WRITES)


def _finish_when_possible(parts: Parts, records: Records | None, stopping: Callable[[], bool]) -> None:
    """Score and publish a batch, with retries while a server is unavailable.

    Partitions lost meanwhile leave the batch; what is left of it is then scored again.
    """
    while records and not stopping():
        try:
            scored = score(parts, records)
            records = _kept_until_room(parts, records, stopping)
            if records and len(records) == len(scored.records):
                return publish(parts, scored)
        except Unavailable as error:
            parts.watch.status(Component(error.component), str(error), error.shown)
            records = parts.source.keep_alive(records, WAIT_SECONDS)
            parts.watch.heartbeat()
    return None


def _kept_until_room(parts: Parts, records: Records, stopping: Callable[[], bool]) -> Records | None:
    """Wait, still polling the group, until the window has room for a batch.

    Returns:
        Those of its records that are still ours; None if there are none, or if a stop came first.
    """
    watch = parts.watch
    kept: Records | None = records
    while kept and parts.delivery.full(len(kept)) and not stopping():
        with watch.stage("reports"):
            parts.delivery.serve(WAIT_SECONDS / 10)
        with watch.stage("commit"):
            parts.delivery.commit()
        if parts.delivery.waiting_seconds > SLOW_WRITE_SECONDS:
            watch.status(Component.WRITES, f"not acknowledged for {SLOW_WRITE_SECONDS:g} seconds")
            kept = parts.source.keep_alive(kept, 0)
        watch.heartbeat()
    return _kept_until_caught_up(parts, kept, stopping) if kept and not parts.delivery.full(len(kept)) else None


def _kept_until_caught_up(parts: Parts, records: Records, stopping: Callable[[], bool]) -> Records | None:
    """Wait, as `_kept_until_room` does, until commits have caught up with the writes."""
    watch, late_at = parts.watch, time.monotonic() + CATCH_UP_SECONDS
    kept: Records | None = records
    while kept and parts.delivery.behind and not stopping():
        with watch.stage("commit"):
            # One commit at a time: when the client retries the first, a second one could overtake it.
            parts.delivery.commit()
            kept = parts.source.keep_alive(kept, COMMIT_POLL_SECONDS)
        if time.monotonic() > late_at:
            what = "offsets of written records cannot be committed, so no more records are written"
            why = parts.source.commits.failure
            watch.status(Component.WRITES, f"{what}: {why}" if why else what)
        watch.heartbeat()
    return None if parts.delivery.behind else kept
