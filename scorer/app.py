"""The composition root: builds a replica from settings, runs it, and closes it in stages."""

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import structlog

from scorer import pipeline
from scorer.avro import Encoder
from scorer.check import require_topics
from scorer.errors import Fatal, Misconfigured
from scorer.features import connect
from scorer.kafka import (
    Checkpoint,
    DeadLetterLimit,
    DeadLetters,
    Limits,
    Sink,
    Source,
    TransactionalSink,
    TransactionCheckpoint,
)
from scorer.kernel import uncached
from scorer.monitor import Health, Metrics, Outages, serve, watched
from scorer.offline import golden_problems
from scorer.pipeline import Parts
from scorer.serving import Serving, prepare
from scorer.settings import BatchSettings, Settings

WINDOW = 4  # batches in flight: enough to hide a broker's round trip, few enough to repeat little after a crash
# What may be written and not committed: so many batches, or events where that is more. A crash repeats it, and those.
UNCOMMITTED_BATCHES, UNCOMMITTED_EVENTS = 8, 1_000
LOOP_LIMIT_SECONDS = 60.0  # a turn of the loop that takes longer is not alive
MAX_POLL_INTERVAL_MS = 300_000  # librdkafka's default, after which the group gives the partitions to another replica
ARM = "champion"
SLOW_START = "each start compiles anew: set NUMBA_CACHE_DIR to a folder that can be written, or empty a damaged one"

log = structlog.get_logger()


def run(settings: Settings) -> bool:
    """Run one replica until SIGTERM or Ctrl-C; return whether it left the group within the deadline.

    Raises:
        Misconfigured: with everything that is wrong, before anything was read.
        Unavailable: the brokers cannot be reached, or a topic is missing.
        Fatal: there was no safe way on.
    """
    if uncached:
        log.warning(SLOW_START, kernels=len(uncached))
    serving = prepare(settings)
    if problems := golden_problems(serving):
        raise Misconfigured(problems)
    require_topics(settings.kafka)
    stop = threading.Event()
    with _signals(stop), ExitStack() as stack:
        parts = _build(serving, stack)
        model, trees = serving.bundle, serving.booster.path
        log.info("serving", model=model.name, version=model.version, trees=trees, group=settings.kafka.group_id)
        gc.collect()
        gc.freeze()  # what was loaded stays, so no later collection needs to look at it
        parts.source.subscribe(parts.checkpoint, parts.sink.drain)
        try:
            pipeline.run(parts, stop.is_set)
        except Fatal:
            _leave(parts, settings.shutdown.deadline_s)
            raise
        return _finish(parts, settings.shutdown.deadline_s)


def _build(serving: Serving, stack: ExitStack) -> Parts:
    settings, bundle = serving.settings, serving.bundle
    metrics, health = Metrics(serving.entities), Health(_loop_limit(settings))
    metrics.model(bundle.name, bundle.version, ARM, compiled=serving.booster.compiled)
    store = None
    if settings.features is not None and serving.plan.entities:
        store = connect(settings.features.url, settings.features.timeout_ms)
        stack.callback(store.close)
    for name in ("assigned", "kafka", *(["features"] if store else [])):
        health.set(name, False, "not yet known")  # noqa: FBT003  reads as a sentence
    stack.enter_context(watched(health, Outages(log)))
    if settings.http is not None:
        stack.enter_context(serve(settings.http.host, settings.http.port, metrics, health))

    condition = _conditions(health)
    brokers = partial(condition, "kafka")
    limit = DeadLetterLimit(settings.kafka.max_dead_letter_ratio, settings.kafka.dead_letter_window)
    letters = DeadLetters(settings.kafka.dead_letter_topic, bundle.name, bundle.version)
    source = Source(settings.kafka, settings.batch, metrics, brokers)
    limits = _limits(settings.batch)
    if settings.kafka.delivery == "exactly-once":
        sink: Sink = TransactionalSink(settings.kafka, letters, brokers, source.commits, limit)
        checkpoint: Checkpoint = TransactionCheckpoint(source.commits, limits, metrics.in_flight)
    else:
        sink = Sink(settings.kafka, letters, brokers, limit)
        checkpoint = Checkpoint(source.commits, limits, metrics.in_flight)
    return Parts(
        source=source,
        decoder=serving.decoder(),
        features=serving.features(store, serving.cache()),
        booster=serving.booster,
        limit=limit,
        encoder=Encoder(bundle.name, bundle.version, ARM, serving.entities, settings.predictions.framing),
        sink=sink,
        checkpoint=checkpoint,
        metrics=metrics,
        health=health,
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


def _finish(parts: Parts, seconds: float) -> bool:
    """Have what is published acknowledged and committed, and leave the group, all within some seconds."""
    deadline = time.monotonic() + seconds
    log.info("stopping", deadline_s=seconds)
    written = parts.sink.drain(parts.checkpoint, seconds)
    committed = parts.checkpoint.finish(max(0.0, deadline - time.monotonic()))
    left = _leave(parts, max(1.0, deadline - time.monotonic()))
    if written and committed:
        log.info("stopped: everything written is committed")
    else:
        log.warning("stopped: what was not acknowledged in time is scored again by who reads it next")
    return left


def _leave(parts: Parts, seconds: float) -> bool:
    parts.sink.close()
    return parts.source.close(seconds)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C set a flag and do nothing else: an exception inside `consume` would lose its records."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
