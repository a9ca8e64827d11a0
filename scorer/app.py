"""The composition root: builds a replica from settings, runs it, and closes it in stages."""

import gc
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import structlog

from scorer import pipeline
from scorer.arrays.kernel import uncached
from scorer.avro import SCHEMA_HEADER, Encoder
from scorer.check import require_topics
from scorer.errors import Fatal, Misconfigured
from scorer.kafka import (
    Checkpoint,
    DeadLetterLimit,
    DeadLetters,
    Limits,
    PositionCommits,
    Sink,
    Source,
    TransactionalSink,
    TransactionCheckpoint,
    commit_before_leaving,
    header_reader,
)
from scorer.monitor import Health, Metrics, Outages, serve, watched
from scorer.offline import golden_problems
from scorer.pipeline import Parts
from scorer.serving import ARM, Serving, prepare
from scorer.settings import BatchSettings, Settings

WINDOW = 4  # batches in flight: enough to hide a broker's round trip, few enough to repeat little after a crash
# What may be written and not committed: so many batches, or events where that is more. A crash repeats it, and those.
UNCOMMITTED_BATCHES, UNCOMMITTED_EVENTS = 8, 1_000
LOOP_LIMIT_SECONDS = 60.0  # a turn of the loop that takes longer is not alive
LEAVE_SECONDS = 1.0  # of the time to stop, kept for leaving the group
MAX_POLL_INTERVAL_MS = 300_000  # librdkafka's default, after which the group gives the partitions to another replica
SLOW_START = "each start compiles anew: set NUMBA_CACHE_DIR to a folder that can be written, or empty a damaged one"

log = structlog.get_logger()


def run(settings: Settings) -> bool:
    """Run one replica until SIGTERM or Ctrl-C; return whether it left the group within the deadline.

    Raises:
        Misconfigured: with everything that is wrong, before anything was read.
        Unavailable: the brokers or the schema registry cannot be reached, or a topic is missing.
        Fatal: there was no safe way on.
    """
    if uncached:
        log.warning(SLOW_START, kernels=len(uncached))
    serving = prepare(settings)
    if problems := golden_problems(serving):
        raise Misconfigured(problems)
    require_topics(settings.kafka)
    header = serving.formats.prediction_header()
    if versions := serving.formats.prefetch():
        log.info("fetched the schemas of events", versions=versions)
    stop = Stop(settings.shutdown.deadline_s)
    with _signals(stop), ExitStack() as stack:
        parts = _build(serving, header, stack, stop)
        model, trees = serving.bundle, serving.booster.path
        log.info("serving", model=model.name, version=model.version, trees=trees, group=settings.kafka.group_id)
        gc.collect()
        gc.freeze()  # what was loaded stays, so no later collection needs to look at it
        drain = parts.sink.drain
        parts.source.subscribe(parts.checkpoint, lambda batches, seconds: drain(batches, min(seconds, stop.left())))
        try:
            pipeline.run(parts, stop.requested)
            return _finish(parts, stop)
        except Fatal:
            stop.request()
            _leave(parts, stop)
            raise


class Stop:
    """A request to stop, and the time that is left from then on.

    Args:
        seconds: how long stopping may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._deadline = seconds, math.inf

    def request(self) -> None:
        """Start the time; a second request changes nothing."""
        if not self.requested():
            self._deadline = time.monotonic() + self.seconds

    def requested(self) -> bool:
        """Return whether the request came."""
        return self._deadline < math.inf

    def left(self) -> float:
        """Return the seconds until the deadline: not below 0, and without end before the request."""
        return max(0.0, self._deadline - time.monotonic())


def _build(serving: Serving, header: bytes, stack: ExitStack, stop: Stop) -> Parts:
    settings, bundle = serving.settings, serving.bundle
    metrics, health = Metrics(serving.entities), Health(_loop_limit(settings))
    metrics.model(bundle.name, bundle.version, ARM, compiled=serving.booster.compiled)
    lookups = serving.lookups(cached=True)
    if lookups:
        stack.callback(lookups.close)
    for name in ("assigned", "kafka", *(["features"] if lookups else [])):
        health.set(name, False, "not yet known")  # noqa: FBT003  reads as a sentence
    registry = settings.events.framing == "confluent"
    if registry:
        health.set("registry", True, "answering")  # noqa: FBT003  reads as a sentence
    stack.enter_context(watched(health, Outages(log)))
    if settings.http is not None:
        stack.enter_context(serve(settings.http.host, settings.http.port, metrics, health))

    condition = _conditions(health)
    brokers = partial(condition, "kafka")
    limit = DeadLetterLimit(settings.kafka.max_dead_letter_ratio, settings.kafka.dead_letter_window)
    letters = DeadLetters(settings.kafka.dead_letter_topic, bundle.name, bundle.version)
    source = Source(settings.kafka, settings.batch, metrics, brokers, partial(_note_input, health))
    limits = _limits(settings.batch)
    if settings.kafka.delivery == "exactly-once":
        sink: Sink
        sink = transactional = TransactionalSink(settings.kafka, letters, brokers, source.commits, limit, stop.left)
        committer = PositionCommits(transactional, source.membership)
        checkpoint: Checkpoint = TransactionCheckpoint(committer, limits, metrics.in_flight)
    else:
        sink = Sink(settings.kafka, letters, brokers, limit)
        checkpoint = Checkpoint(source.commits, limits, metrics.in_flight)
    return Parts(
        source=source,
        decoder=serving.decoder(serving.formats.framing(header_reader(SCHEMA_HEADER))),
        scorer=serving.scorer(lookups.fetch if lookups else None, metrics.stages.stage),
        lookups=lookups,
        limit=limit,
        encoder=Encoder(header),
        sink=sink,
        checkpoint=checkpoint,
        metrics=metrics,
        health=health,
        registry=registry,
        condition=condition,
    )


def _limits(batch: BatchSettings) -> Limits:
    most = max(UNCOMMITTED_BATCHES * batch.max_records, UNCOMMITTED_EVENTS)
    return Limits(WINDOW, enough=batch.max_records, most=most)


def _loop_limit(settings: Settings) -> float:
    """Seconds of a turn of the loop, well before the group gives up."""
    patience = int(settings.kafka.properties.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS))
    return min(LOOP_LIMIT_SECONDS, patience / 2000)


def _conditions(health: Health) -> Callable[[str, str], None]:
    """What takes (name, trouble) of each server: for /ready, and for the log where it changed."""
    outages = Outages(log)

    def condition(name: str, trouble: str) -> None:
        health.set(name, not trouble, trouble or "answering")
        if trouble:
            outages.bad(name, trouble)
        else:
            outages.good(name)

    return condition


def _note_input(health: Health, waiting: str) -> None:
    """Say in /ready which events wait for another producer; the replica is ready all the same."""
    health.set("input", True, waiting or "nothing is held back")  # noqa: FBT003  reads as a sentence


def _finish(parts: Parts, stop: Stop) -> bool:
    """Have what is published acknowledged and committed, and leave the group, all before the deadline."""
    log.info("stopping", deadline_s=stop.seconds)
    reserve = min(LEAVE_SECONDS, stop.seconds / 4)
    rest = commit_before_leaving(
        parts.source, parts.sink, parts.checkpoint, lambda: max(0.0, stop.left() - reserve), parts.health.heartbeat
    )
    left = _leave(parts, stop)
    if rest.transaction:
        log.warning("stopped with a transaction that may be open: it delays readers until the brokers abort it")
    if rest.events:
        log.warning("stopped with uncommitted events: their next owner scores them again", at_most=rest.events)
    if not rest.transaction and not rest.events:
        log.info("stopped: everything written is committed")
    return left


def _leave(parts: Parts, stop: Stop) -> bool:
    parts.sink.close()
    return parts.source.close(max(LEAVE_SECONDS, stop.left()))


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C set a flag and do nothing else: an exception inside `consume` would lose its records."""
    before = {number: signal.signal(number, lambda *_: stop.request()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
