"""The journey of a batch, from the input topic to a committed offset, and nothing else."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from scorer.avro import Decoder, Encoder
from scorer.batch import Outcome, Payloads, Records
from scorer.errors import Unavailable
from scorer.kafka import DeadLetterLimit, Delivery, Source
from scorer.monitor import Component, Watch
from scorer.scoring import BaseScorer, Prepared
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
    """The parts that score a batch. They are replaced together, between two batches."""

    decoder: Decoder
    scorer: BaseScorer
    lookups: Lookups | None  # None if no plan has entities
    shadows: Sequence[Observed] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a batch passes through, in this order, and those that observe it."""

    source: Source
    core: Callable[[], Core]  # returns the core for the next batch
    limit: DeadLetterLimit
    encoder: Encoder
    delivery: Delivery
    watch: Watch


@dataclass(frozen=True, slots=True)
class InHand:
    """A batch that was polled and is not published; `prepared` by `core` once its keys are known."""

    records: Records
    prepared: Prepared | None = None
    core: Core | None = None

    def prepared_by(self, core: Core) -> Prepared | None:
        """Return the batch with its keys, unless another core made them: its plans may need others."""
        return self.prepared if self.core is core else None


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch whose writes are ready."""

    records: Records
    payloads: Payloads
    outcome: Outcome
    shadows: Sequence[Observed]  # the shadows at the time when it was scored


def run(parts: Parts, stopping: Callable[[], bool]) -> None:
    """Score batch after batch until asked to stop; the current batch is then finished, or abandoned uncommitted.

    In a backlog the next batch is polled before the current one is scored, and its look-up is sent ahead: the store
    works on it meanwhile. It is published after the current batch, or abandoned with it.

    Raises:
        Fatal: there is no safe way to continue. Nothing is committed that was not written.
    """
    watch, delivery = parts.watch, parts.delivery
    watch.iteration_ended(None)  # time spent starting up belongs to no batch
    ahead: InHand | None = None
    while not stopping():
        watch.heartbeat()
        if not (delivery.full(1) or delivery.behind):
            watch.status(Component.WRITES)
        batch, ahead = _next_two(parts, ahead)
        _finish_when_possible(parts, batch, ahead, stopping)
        lookups = parts.core().lookups
        if batch is None and lookups and (reason := lookups.ping_if_idle()) is not None:
            watch.status(Component.FEATURES, reason)
        with watch.stage("reports"):
            delivery.serve()
        with watch.stage("commit"):
            delivery.commit()
        assignment, starts = parts.source.assignment, parts.source.starts
        watch.assigned(len(assignment.owned), joined=assignment.joined, decided=starts.decided)
        watch.iteration_ended(batch.records if batch else None)


def score(parts: Parts, batch: InHand, ahead: InHand | None = None) -> Scored:
    """Take one batch from raw bytes to encoded predictions.

    Args:
        parts: what it passes through.
        batch: the batch.
        ahead: the next one, whose look-up is sent as soon as that of the batch was answered.

    Raises:
        Unavailable: the store is unavailable and the policy is to wait, or the registry cannot provide a schema now.
        Fatal: too many of the last records were rejected.
    """
    watch, core, records, now = parts.watch, parts.core(), batch.records, time.time()
    prepared = batch.prepared_by(core) or _prepare(parts, core, records)
    found = core.scorer.look_up(prepared, now)
    _send_ahead(parts, core, ahead)
    outcome = core.scorer.finish(prepared, found, now)
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


def _next_two(parts: Parts, ahead: InHand | None) -> tuple[InHand | None, InHand | None]:
    """Return the batch to score now, and the one after it if there is a backlog.

    Args:
        parts: what they pass through.
        ahead: the batch that was polled ahead, if there is one.

    Returns:
        Both, as far as they are still ours after the last call of the consumer.
    """
    batch, core = ahead, parts.core()
    if batch is None:
        with parts.watch.stage("consume"):
            records = parts.source.poll()
        batch = InHand(records) if records else None
    if batch is None or core.lookups is None or not parts.source.backlog:
        return batch and _current(parts, batch), None
    batch = _prepared(parts, core, batch)
    _send_ahead(parts, core, batch)
    with parts.watch.stage("consume"):
        following = parts.source.poll_ahead(batch.records)
    return _current(parts, batch), _prepared(parts, core, InHand(following)) if following else None


def _prepared(parts: Parts, core: Core, batch: InHand) -> InHand:
    """Return a batch with its keys, unless the registry cannot provide a schema now."""
    with suppress(Unavailable):  # raised again by `score`
        return InHand(batch.records, batch.prepared_by(core) or _prepare(parts, core, batch.records), core)
    return batch


def _prepare(parts: Parts, core: Core, records: Records) -> Prepared:
    """Decode a batch, and make its keys.

    Raises:
        Unavailable: the registry cannot provide a schema now.
    """
    with parts.watch.stage("decode"):
        events = core.decoder.decode(records)
    return core.scorer.prepare(events)


def _send_ahead(parts: Parts, core: Core, batch: InHand | None) -> None:
    """Send the look-up of a batch, unless it was sent before."""
    if core.lookups and batch and (prepared := batch.prepared_by(core)):
        with parts.watch.stage("look_up"):
            core.lookups.prefetch(prepared.requests)


def _current(parts: Parts, batch: InHand) -> InHand | None:
    """Return the rows of a batch that are still ours; if some are not, it has to be prepared again."""
    records = parts.source.current(batch.records)
    if records is None:
        return None
    return batch if len(records) == len(batch.records) else InHand(records)


def _finish_when_possible(
    parts: Parts, batch: InHand | None, ahead: InHand | None, stopping: Callable[[], bool]
) -> None:
    """Score and publish a batch, with retries while a server is unavailable.

    Partitions lost meanwhile leave the batch; what is left of it is then scored again.
    """
    while batch and not stopping():
        records: Records | None = batch.records
        try:
            scored = score(parts, batch, ahead)
            records = _kept_until_room(parts, batch.records, stopping)
            if records and len(records) == len(scored.records):
                publish(parts, scored)
                return
        except Unavailable as error:
            parts.watch.status(Component(error.component), str(error), error.shown)
            records = parts.source.keep_alive(batch.records, WAIT_SECONDS)
            parts.watch.heartbeat()
        batch = InHand(records) if records else None


def _kept_until_room(parts: Parts, records: Records, stopping: Callable[[], bool]) -> Records | None:
    """Wait, still polling the group, until the window has room for a batch.

    Returns:
        Those of its records that are still ours; None if there are none, or if a stop came first.
    """
    watch = parts.watch
    kept: Records | None = records
    while kept and parts.delivery.full(len(kept)):
        if stopping():
            return None
        with watch.stage("reports"):
            parts.delivery.serve(WAIT_SECONDS / 10)
        with watch.stage("commit"):
            parts.delivery.commit()
        if parts.delivery.waiting_seconds > SLOW_WRITE_SECONDS:
            watch.status(Component.WRITES, f"not acknowledged for {SLOW_WRITE_SECONDS:g} seconds")
            kept = parts.source.keep_alive(kept, 0)
        watch.heartbeat()
    return _kept_until_caught_up(parts, kept, stopping) if kept else None


def _kept_until_caught_up(parts: Parts, records: Records, stopping: Callable[[], bool]) -> Records | None:
    """Wait, as `_kept_until_room` does, until commits have caught up with the writes."""
    watch, late_at = parts.watch, time.monotonic() + CATCH_UP_SECONDS
    kept: Records | None = records
    while kept and parts.delivery.behind:
        if stopping():
            return None
        with watch.stage("commit"):
            # One commit at a time: when the client retries the first, a second one could overtake it.
            parts.delivery.commit()
            kept = parts.source.serve(kept, COMMIT_POLL_SECONDS)
        if time.monotonic() > late_at:
            what = "offsets of written records cannot be committed, so no more records are written"
            why = parts.source.commits.failure
            watch.status(Component.WRITES, f"{what}: {why}" if why else what)
        watch.heartbeat()
    return kept
