"""The composition root: builds a replica from settings, runs it, and closes it in stages."""

import gc
import math
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from scorer import pipeline
from scorer.arrays.cache import distrusted
from scorer.arrays.kernel import uncached
from scorer.avro import SCHEMA_HEADER, Encoder
from scorer.check import require_topics
from scorer.errors import Fatal, Misconfigured, Problem, Unavailable
from scorer.follower import Follower, Surroundings
from scorer.guarding import Guardian
from scorer.homes import home_of
from scorer.kafka import (
    AtLeastOnce,
    Checkpoint,
    ControlTopic,
    DeadLetterLimit,
    DeadLetters,
    Delivery,
    ExactlyOnce,
    Limits,
    Renewal,
    Sink,
    Source,
    SpareWriter,
    Transactions,
    commit_before_leaving,
    header_reader,
)
from scorer.lineup import Lineup
from scorer.monitor import Component, Health, Metrics, Outages, Watch, serve, watched
from scorer.offline import require_golden
from scorer.pipeline import Parts
from scorer.rollout import Held, Home, State, choosing
from scorer.serving import Serving, prepare
from scorer.settings import BatchSettings, Settings
from scorer.shadows import Outlet

# What a crash may repeat: batches in flight, of which two hide the brokers' answer even if it takes longer than scoring
# does, and written ones whose commit is not confirmed. Together they are at most so many events, or three batches.
REPEATED_EVENTS = 6_000
WINDOW, IN_FLIGHT_EVENTS = 4, 4_000
COMMITTED_AT_ONCE = 500  # written events; fewer wait for a moment, and share a commit
UNCOMMITTED_BATCHES, UNCOMMITTED_LEAST = 8, 1_000  # small batches may wait for a shared commit
LOOP_LIMIT_SECONDS = 60.0  # if one iteration of the loop takes longer, /live fails
RECONNECT_SECONDS = 10.0  # the wait for acknowledgements and a commit before the clients are created anew
RETRY_SECONDS = 1.0  # between two attempts to create them
LEAVE_SECONDS = 1.0  # the part of the shutdown deadline reserved for leaving the group
MAX_POLL_INTERVAL_MS = 300_000  # librdkafka's default, after which the group gives the partitions to another replica
SLOW_START = "kernels are compiled at each start: set NUMBA_CACHE_DIR to a writable folder, or empty a damaged one"
UNGUARDED = "canaries are not guarded: guards need the roll-out state in kafka.control_topic"
DISTRUSTED = "compiled kernels are not loaded from a folder that others could have written"

MakeClients = Callable[[], tuple[Source, Delivery]]
log = structlog.get_logger()


def run(settings: Settings) -> bool:
    """Run one replica until SIGTERM or Ctrl-C; return whether it left the group within the deadline.

    Raises:
        Misconfigured: with every problem, before any record is read.
        Unavailable: the brokers or the schema registry cannot be reached.
        Fatal: a topic is missing, or there was no safe way to continue.
    """
    home = home_of(settings)
    held = home.read() if home else Held()
    if held.problem and held.state is None:
        raise Misconfigured([Problem("model.rollout", held.problem)])
    serving = prepare(_first(settings, held.state) if held.state else settings)
    for reason in distrusted:
        log.warning(DISTRUSTED, reason=reason)
    if uncached:
        log.warning(SLOW_START, kernels=len(uncached))
    require_golden(serving)
    require_topics(settings.kafka)
    header = serving.formats.prediction_header()
    if versions := serving.formats.prefetch():
        log.info("fetched the schemas of events", versions=versions)
    stop = Stop(settings.shutdown.deadline_s)
    with _signals(stop), ExitStack() as stack:
        renewal = Renewal(settings.kafka, settings.batch)
        parts, make = _build(serving, header, stack, stop, Rollout(home, held))
        version = held.state.champion if held.state else serving.version
        trees, group = serving.booster.path, settings.kafka.group_id
        log.info("serving", model=serving.model, version=version, trees=trees, group=group)
        gc.collect()
        gc.freeze()  # everything loaded so far stays until the end, so later collections can skip it
        parts.source.subscribe(parts.delivery, stop.left)
        try:
            while not stop.requested():
                pipeline.run(parts, lambda: stop.requested() or renewal.due())
                if not stop.requested():
                    renewed = _reconnect(parts, make, stop)
                    if renewed is None:  # it has left the group already
                        return True
                    parts = renewed
                    renewal.done()
            return _finish(parts, stop)
        except Fatal:
            stop.request()
            _leave(parts, stop)
            raise


def _first(settings: Settings, state: State) -> Settings:
    """Return the settings with the first version that the champion needs; the follower loads the others."""
    return choosing(settings, state.versions_of(state.champion)[0])


class Stop:
    """A request to stop, with a deadline that starts when it is made.

    Args:
        seconds: how long stopping may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._deadline = seconds, math.inf

    def request(self) -> None:
        """Start the deadline; a second request changes nothing."""
        if not self.requested():
            self._deadline = time.monotonic() + self.seconds

    def requested(self) -> bool:
        """Return whether a stop was requested."""
        return self._deadline < math.inf

    def left(self) -> float:
        """Return the seconds until the deadline: never negative, and infinite before the request."""
        return max(0.0, self._deadline - time.monotonic())


@dataclass(frozen=True, slots=True)
class Rollout:
    """The roll-out state at the start, and its home, if there is one."""

    home: Home | None
    held: Held


def _build(
    serving: Serving, header: bytes, stack: ExitStack, stop: Stop, rollout: Rollout
) -> tuple[Parts, MakeClients]:
    settings, bundle = serving.settings, serving.bundle
    metrics, health = Metrics(serving.entities), Health(_loop_limit(settings))
    lookups = settings.features is not None and bool(serving.entities)
    for component in (Component.ASSIGNED, Component.KAFKA, *([Component.FEATURES] if lookups else [])):
        health.set(component, False, "not yet known")  # noqa: FBT003  reads as a sentence
    stack.enter_context(watched(health, Outages(log)))
    if settings.http is not None:
        stack.enter_context(serve(settings.http, metrics, health))

    guardian = _guardian(serving, rollout, metrics)
    watch = Watch(metrics.stages, health, Outages(log), [metrics, *([guardian.tally] if guardian else [])])
    if settings.events.framing == "confluent":
        watch.status(Component.REGISTRY)  # it answered when the versions were fetched
    limit = DeadLetterLimit(settings.kafka.max_dead_letter_ratio, settings.kafka.dead_letter_window)
    letters = DeadLetters(settings.kafka.dead_letter_topic, bundle.name, bundle.version)
    encoder = Encoder(header)

    follower = _follower(serving, rollout, letters, encoder, metrics, watch, partial(_guarded, guardian, limit))
    stack.callback(follower.close)
    make = partial(_clients, serving, limit, metrics, watch, stop, letters)
    source, delivery = make()
    if rollout.home is not None:
        follower.follow(rollout.home)
    if guardian is not None:
        stack.callback(guardian.close)
        guardian.start()
    parts = Parts(
        source=source,
        core=follower.core,
        limit=limit,
        encoder=encoder,
        delivery=delivery,
        watch=watch,
    )
    return parts, make


def _guardian(serving: Serving, rollout: Rollout, metrics: Metrics) -> Guardian | None:
    """Return what guards canaries, where replicas can tell each other what they do."""
    model, kafka = serving.bundle.name, serving.settings.kafka
    if not isinstance(rollout.home, ControlTopic):
        return None
    return Guardian(partial(ControlTopic, kafka, model), model, uuid.uuid4().hex, metrics.withdrawn)


def _guarded(guardian: Guardian | None, limit: DeadLetterLimit, state: State) -> None:
    """Guard the canaries of a state, whose dead letters are then the guards' business alone."""
    guards = guardian is not None and state.guards is not None
    limit.exempt = frozenset(canary.version for canary in state.canaries) if guards else frozenset()
    if guardian is not None:
        guardian.served(state)
    elif state.guards and state.canaries:
        log.warning(UNGUARDED)


def _follower(  # noqa: PLR0913, PLR0917  each is a part of the replica
    serving: Serving,
    rollout: Rollout,
    letters: DeadLetters,
    encoder: Encoder,
    metrics: Metrics,
    watch: Watch,
    guarded: Callable[[State], None],
) -> Follower:
    """Return what chooses the versions that score; it follows the home of the roll-out state once it is asked to."""
    settings, bundle = serving.settings, serving.bundle

    def served(lineup: Lineup) -> None:
        letters.version = lineup.champion.version
        roles = [(each.version, name, each.compiled) for name, each in lineup.roles]
        metrics.models(bundle.name, roles)
        guarded(lineup.state)

    def behind(reason: str) -> None:
        watch.rollout(reason)
        metrics.rollout(reason)

    topic, outlet = settings.predictions.shadow_topic, None
    if topic is not None and rollout.home is not None:
        outlet = Outlet(SpareWriter(settings.kafka, topic, metrics.shadows), encoder, metrics.shadows)
    registry = partial(watch.status, Component.REGISTRY)
    framing = partial(serving.formats.framing, header_reader(SCHEMA_HEADER), registry)
    state = rollout.held.state or State(champion=bundle.version)
    return Follower(serving, state, Surroundings(framing, watch.stage, served, behind, outlet))


def _clients(  # noqa: PLR0913, PLR0917  each is a part of the replica
    serving: Serving, limit: DeadLetterLimit, metrics: Metrics, watch: Watch, stop: Stop, letters: DeadLetters
) -> tuple[Source, Delivery]:
    """Create the consumer and the producer."""
    settings, brokers = serving.settings, partial(watch.status, Component.KAFKA)
    source = Source(settings.kafka, settings.batch, metrics, brokers, watch.waiting)
    try:
        if settings.kafka.delivery == "exactly-once":
            transactions = Transactions(settings.kafka, letters, brokers, source.commits, limit, stop.left)
            return source, ExactlyOnce(transactions, source.membership)
        checkpoint = Checkpoint(source.commits, _limits(settings.batch), metrics.in_flight)
        return source, AtLeastOnce(Sink(settings.kafka, letters, brokers, limit), checkpoint)
    except BaseException:
        source.close(LEAVE_SECONDS)
        raise


def _reconnect(parts: Parts, make: MakeClients, stop: Stop) -> Parts | None:
    """Leave the group and join it with new clients, which read new certificates; None if a stop was requested first.

    While no clients can be created, as in an outage, the replica waits.
    """
    log.info("files of the kafka clients were replaced: connecting anew")
    end = time.monotonic() + RECONNECT_SECONDS

    def left() -> float:
        return max(0.0, min(end - time.monotonic(), stop.left()))

    rest = commit_before_leaving(parts.source, parts.delivery, left, parts.watch.heartbeat)
    if rest.transaction:
        log.warning("connecting anew with a transaction that may be open: it delays consumers until it is aborted")
    if rest.events:
        log.warning("connecting anew with uncommitted events: they will be scored again", at_most=rest.events)
    parts.delivery.close()
    parts.source.close(LEAVE_SECONDS)
    while not stop.requested():
        try:
            source, delivery = make()
        except (Misconfigured, Unavailable) as error:
            parts.watch.status(Component.KAFKA, f"cannot connect anew: {error}")
            parts.watch.heartbeat()
            time.sleep(RETRY_SECONDS)
        else:
            source.subscribe(delivery, stop.left)
            return replace(parts, source=source, delivery=delivery)
    return None


def _limits(batch: BatchSettings) -> Limits:
    each = batch.max_records
    in_flight = min(WINDOW * each, max(IN_FLIGHT_EVENTS, 2 * each))
    uncommitted = max(UNCOMMITTED_LEAST, min(UNCOMMITTED_BATCHES * each, REPEATED_EVENTS - in_flight), each)
    return Limits(WINDOW, in_flight, min(COMMITTED_AT_ONCE, each), uncommitted)


def _loop_limit(settings: Settings) -> float:
    """Return how long one iteration of the loop may take, in seconds: at most half of `max.poll.interval.ms`."""
    max_poll_ms = int(settings.kafka.properties.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS))
    return min(LOOP_LIMIT_SECONDS, max_poll_ms / 2000)


def _finish(parts: Parts, stop: Stop) -> bool:
    """Wait for acknowledgements, commit, and leave the group, all before the deadline."""
    log.info("stopping", deadline_s=stop.seconds)
    reserve = min(LEAVE_SECONDS, stop.seconds / 4)
    rest = commit_before_leaving(
        parts.source, parts.delivery, lambda: max(0.0, stop.left() - reserve), parts.watch.heartbeat
    )
    left = _leave(parts, stop)
    if rest.transaction:
        log.warning("stopped with a transaction that may be open: it delays consumers until the brokers abort it")
    if rest.events:
        log.warning("stopped with uncommitted events: they will be scored again", at_most=rest.events)
    if not rest.transaction and not rest.events:
        log.info("stopped: everything written is committed")
    return left


def _leave(parts: Parts, stop: Stop) -> bool:
    parts.delivery.close()
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
