"""The journey of a batch, from the input topic to a committed offset, and nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from scorer.avro import Decoder, Encoder
from scorer.batch import Outcome, Records, Rejected
from scorer.errors import Unavailable
from scorer.kafka import Checkpoint, DeadLetterLimit, Sink, Source
from scorer.monitor import Health, Metrics
from scorer.scoring import Scorer
from scorer.store import Lookups

WAIT_SECONDS = 0.5  # between two tries at a server that cannot answer
COMMIT_TURN_SECONDS = 0.01  # between two looks at a commit that is waited for
CATCH_UP_SECONDS = 3.0  # for commits that have fallen behind the writes: a rebalance may hold them up for a heartbeat
SLOW_WRITE_SECONDS = 10.0  # after which unacknowledged writes make the replica not ready


@dataclass(frozen=True, slots=True)
class Parts:
    """What a batch passes through, in this order, and who watches."""

    source: Source
    decoder: Decoder
    scorer: Scorer
    lookups: Lookups | None  # None where the plan has no entities
    limit: DeadLetterLimit
    encoder: Encoder
    sink: Sink
    checkpoint: Checkpoint
    metrics: Metrics
    health: Health
    registry: bool  # whether the decoder asks a schema registry
    condition: Callable[[str, str], None]  # told (name, trouble) of each server; no trouble is the empty text


def run(parts: Parts, stopping: Callable[[], bool]) -> None:
    """Score batch after batch until told to stop; the batch in hand is then finished or abandoned, uncommitted.

    Raises:
        Fatal: there is no safe way on. Nothing that was not written is committed.
    """
    stages = parts.metrics.stages
    parts.metrics.end_turn(None)  # what came before was no turn
    while not stopping():
        parts.health.heartbeat()
        batch = _next(parts, stopping)
        _score_when_possible(parts, batch, stopping)
        if batch is None and parts.lookups and (trouble := parts.lookups.ping_if_idle()) is not None:
            parts.condition("features", trouble)
        with stages.reports:
            parts.sink.serve()
        with stages.commit:
            parts.checkpoint.settle()
        assignment = parts.source.assignment
        undecided = "" if parts.source.starts.decided else ", and where the group starts is not decided"
        joined = assignment.joined and not undecided
        parts.health.set("assigned", joined, f"{len(assignment.owned)} partitions{undecided}")
        parts.metrics.end_turn(batch)


def score(parts: Parts, records: Records) -> None:
    """Take one batch from raw bytes to handed-over writes.

    Raises:
        Unavailable: a schema cannot be had now, or the features, and the policy is to wait; nothing was published.
        Aborted: nor is anything of it visible that was.
        Fatal: too many of the last records are rejected; nothing was published.
    """
    stages = parts.metrics.stages
    with stages.decode:
        events = parts.decoder.decode(records)
    if parts.registry:
        parts.condition("registry", "")
    outcome = parts.scorer.score(events, time.time())
    if parts.lookups:
        parts.metrics.reused(outcome.found)
        degraded = outcome.predictions.degraded
        parts.condition("features", "scoring without them, by policy" if degraded else "")
    with stages.encode:
        parts.limit.check(records, outcome.rejected)
        payloads = parts.encoder.encode(outcome.predictions)
    with stages.publish:
        batch = parts.checkpoint.open(records, len(records), partial(_written, parts, records, outcome))
        parts.sink.publish(records, payloads, outcome.rejected, batch)


def _next(parts: Parts, stopping: Callable[[], bool]) -> Records | None:
    """Return the next batch, once the window takes another; None where none came."""
    if not _room(parts, stopping):
        return None
    with parts.metrics.stages.consume:
        return parts.source.poll()


def _score_when_possible(parts: Parts, records: Records | None, stopping: Callable[[], bool]) -> None:
    """Score a batch, again and again while a server that it needs is away; what is left of it when that is back."""
    while records and not stopping():
        try:
            return score(parts, records)
        except Unavailable as error:
            parts.condition(error.condition, str(error))
            records = parts.source.hold(records, WAIT_SECONDS)
            parts.health.heartbeat()
    return None


def _room(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, as a member of the group, until the window takes another batch; return whether it does."""
    stages = parts.metrics.stages
    while parts.checkpoint.full and not stopping():
        with stages.reports:
            parts.sink.serve(WAIT_SECONDS / 10)
        with stages.commit:
            parts.checkpoint.settle()
        if parts.checkpoint.waiting_seconds > SLOW_WRITE_SECONDS:
            parts.condition("writes", f"not acknowledged for {SLOW_WRITE_SECONDS:g} seconds")
            parts.source.hold(None, 0)
        parts.health.heartbeat()
    if not parts.checkpoint.full:
        parts.condition("writes", "")
    return not parts.checkpoint.full and _caught_up(parts, stopping)


def _caught_up(parts: Parts, stopping: Callable[[], bool]) -> bool:
    """Wait, as a member of the group, until commits have caught up with the writes; return whether they have."""
    late_at = time.monotonic() + CATCH_UP_SECONDS
    while parts.checkpoint.behind and not stopping():
        with parts.metrics.stages.commit:
            # One commit at a time: a second one could overtake the first where the client sends that again.
            parts.checkpoint.settle()
            parts.source.hold(None, COMMIT_TURN_SECONDS)
        if time.monotonic() > late_at:
            parts.condition("writes", "what is written cannot be committed, so nothing more is")
        parts.health.heartbeat()
    return not parts.checkpoint.behind


def _written(parts: Parts, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
    metrics, letters = parts.metrics, [*outcome.rejected, *unwritable]
    metrics.acknowledged(len(records) - len(letters), letters)
    metrics.lookups(outcome.matrix.lookups)
    metrics.end_to_end(time.time() - records.timestamp[records.timestamp >= 0] / 1000)
