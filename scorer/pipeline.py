"""The journey of a batch, from the input topic to a committed offset, and nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from scorer.avro import Decoder, Encoder
from scorer.batch import Outcome, Records, Rejected
from scorer.errors import Aborted, Unavailable
from scorer.kafka import DeadLetterLimit, Delivery, Source
from scorer.monitor import Health, Metrics
from scorer.scoring import Scorer
from scorer.store import Lookups

WAIT_SECONDS = 0.5  # between two retries while a server is unavailable
COMMIT_TURN_SECONDS = 0.01  # between two checks of a pending commit
CATCH_UP_SECONDS = 3.0  # for commits to catch up with the writes: a rebalance may delay them by a heartbeat
SLOW_WRITE_SECONDS = 10.0  # after which unacknowledged writes make the replica not ready


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a batch passes through, in this order, and those that observe it."""

    source: Source
    decoder: Decoder
    scorer: Scorer
    lookups: Lookups | None  # None where the plan has no entities
    limit: DeadLetterLimit
    encoder: Encoder
    delivery: Delivery
    metrics: Metrics
    health: Health
    condition: Callable[[str, str], None]  # takes (component, reason); an empty reason means healthy


def run(parts: Parts, stopping: Callable[[], bool]) -> None:
    """Score batch after batch until asked to stop; the current batch is then finished, or abandoned uncommitted.

    Raises:
        Fatal: there is no safe way on. Nothing is committed that was not written.
    """
    stages = parts.metrics.stages
    parts.metrics.end_turn(None)  # time spent starting up belongs to no batch
    while not stopping():
        parts.health.heartbeat()
        batch = _next(parts, stopping)
        _score_when_possible(parts, batch, stopping)
        if batch is None and parts.lookups and (reason := parts.lookups.ping_if_idle()) is not None:
            parts.condition("features", reason)
        with stages.reports:
            parts.delivery.serve()
        with stages.commit:
            parts.delivery.commit()
        assignment = parts.source.assignment
        undecided = "" if parts.source.starts.decided else ", and where the group starts is not decided"
        joined = assignment.joined and not undecided
        parts.health.set("assigned", joined, f"{len(assignment.owned)} partitions{undecided}")
        parts.metrics.end_turn(batch)


def score(parts: Parts, records: Records) -> None:
    """Take one batch from raw bytes to writes handed to the producer.

    Raises:
        Unavailable: the store is unavailable and the policy is to wait; nothing was published.
        Aborted: the transaction was aborted; no write of the batch becomes visible.
        Fatal: too many of the last records were rejected; nothing was published.
    """
    stages = parts.metrics.stages
    with stages.decode:
        events = parts.decoder.decode(records)
    outcome = parts.scorer.score(events, time.time())
    if parts.lookups:
        parts.metrics.reused(outcome.found)
        parts.condition("features", parts.lookups.fallback_reason)
    with stages.encode:
        parts.limit.check(records, outcome.rejected)
        payloads = parts.encoder.encode(outcome.predictions)
    with stages.publish:
        on_written = partial(_written, parts, records, outcome)
        parts.delivery.publish(records, payloads, outcome.rejected, on_written)


def _next(parts: Parts, stopping: Callable[[], bool]) -> Records | None:
    """Poll for the next batch, once the window has room for it; None where none came."""
    if not _room(parts, stopping):
        return None
    with parts.metrics.stages.consume:
        return parts.source.poll()


def _score_when_possible(parts: Parts, records: Records | None, stopping: Callable[[], bool]) -> None:
    """Score a batch, with retries while a server is unavailable; partitions lost meanwhile leave the batch."""
    while records and not stopping():
        try:
            return score(parts, records)
        except Unavailable as error:
            parts.condition("writes" if isinstance(error, Aborted) else "features", str(error))
            records = parts.source.hold(records, WAIT_SECONDS)
            parts.health.heartbeat()
    return None


def _room(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, still polling the group, until the window has room for another batch; return whether it has."""
    stages = parts.metrics.stages
    while parts.delivery.full and not stopping():
        with stages.reports:
            parts.delivery.serve(WAIT_SECONDS / 10)
        with stages.commit:
            parts.delivery.commit()
        if parts.delivery.waiting_seconds > SLOW_WRITE_SECONDS:
            parts.condition("writes", f"not acknowledged for {SLOW_WRITE_SECONDS:g} seconds")
            parts.source.hold(None, 0)
        parts.health.heartbeat()
    if not parts.delivery.full:
        parts.condition("writes", "")
    return not parts.delivery.full and _caught_up(parts, stopping)


def _caught_up(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, still polling the group, until commits have caught up with the writes; return whether they have."""
    late_at = time.monotonic() + CATCH_UP_SECONDS
    while parts.delivery.behind and not stopping():
        with parts.metrics.stages.commit:
            # One commit at a time: when the client retries the first, a second one could overtake it.
            parts.delivery.commit()
            parts.source.hold(None, COMMIT_TURN_SECONDS)
        if time.monotonic() > late_at:
            parts.condition("writes", "offsets of written records cannot be committed, so no more records are written")
        parts.health.heartbeat()
    return not parts.delivery.behind


def _written(parts: Parts, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
    metrics, letters = parts.metrics, [*outcome.rejected, *unwritable]
    metrics.acknowledged(len(records) - len(letters), letters)
    metrics.lookups(outcome.matrix.lookups)
    metrics.end_to_end(time.time() - records.timestamp[records.timestamp >= 0] / 1000)
