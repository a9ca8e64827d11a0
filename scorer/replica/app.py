"""The composition root: builds a replica from settings, runs it, and closes what it built."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import structlog

from scorer.arrays.cache import distrusted
from scorer.arrays.kernel import uncached
from scorer.avro import SCHEMA_HEADER, Encoder
from scorer.collecting import collect_rarely
from scorer.errors import Fatal
from scorer.group.alerting import alerting
from scorer.group.drifting import Drifting, rules_of
from scorer.group.guarding import Guardian
from scorer.group.telling import Teller, Telling
from scorer.kafka import (
    ControlTopic,
    DeadLetterLimit,
    DeadLetters,
    Ending,
    MonitorListener,
    MonitorTopic,
    Renewal,
    SpareWriter,
    header_reader,
    nothing_carried,
)
from scorer.monitor import Component, DriftMetrics, Health, Metrics, Observer, Outages, Watch, serve, watched
from scorer.otel import exporting
from scorer.page.replica import Presence
from scorer.replica import pipeline
from scorer.replica.capturing import BackgroundCapture, CaptureMetrics, TransactionCapture, capture_of
from scorer.replica.check import require_topics
from scorer.replica.connecting import Clients, MakeClients, finish, leave, reconnect
from scorer.replica.follower import Follower, Surroundings
from scorer.replica.pipeline import Parts
from scorer.replica.shadows import Outlet
from scorer.rollout import Held, Home, State, choosing
from scorer.serving.homes import held_at_start
from scorer.serving.lineup import Lineup
from scorer.serving.offline import require_golden
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings
from scorer.stopping import Stop, by_signals

LOOP_LIMIT_SECONDS = 60.0  # if one iteration of the loop takes longer, /live fails
MAX_POLL_INTERVAL_MS = 300_000  # librdkafka's default, after which the group gives the partitions to another replica
SLOW_START = "kernels are compiled at each start: set NUMBA_CACHE_DIR to a writable folder, or empty a damaged one"
UNGUARDED = "canaries are not guarded: guards need the roll-out state in kafka.control_topic"
DISTRUSTED = "compiled kernels are not loaded from a folder that others could have written"

log = structlog.get_logger()


def run(settings: Settings, ending: Ending | None = None) -> bool:
    """Run one replica until SIGTERM or Ctrl-C; return whether it left the group within the deadline.

    Args:
        settings: its settings.
        ending: stops the replica at the end of a span of offsets; None if it runs for ever.

    Raises:
        Misconfigured: with every problem, before any record is read.
        Unavailable: the brokers or the schema registry cannot be reached.
        Fatal: a topic is missing, or there was no safe way to continue.
    """
    home, held = held_at_start(settings)
    serving = prepare(_first(settings, held.state) if held.state else settings)
    for reason in distrusted:
        log.warning(DISTRUSTED, reason=reason)
    if uncached:
        log.warning(SLOW_START, kernels=len(uncached))
    require_golden(serving)
    require_topics(settings.kafka, *([settings.monitor.capture.topic] if settings.monitor.capture else []))
    header = serving.formats.prediction_header()
    if versions := serving.formats.prefetch():
        log.info("fetched the schemas of events", versions=versions)
    stop = Stop(settings.shutdown.deadline_s)
    with by_signals(stop), ExitStack() as stack:
        renewal = Renewal(settings.kafka, settings.batch)
        parts, make = _build(serving, header, stack, stop, Rollout(home, held), ending)
        version = held.state.champion if held.state else serving.version
        trees, group = serving.booster.path, settings.kafka.group_id
        log.info("serving", model=serving.model, version=version, trees=trees, group=group)
        collect_rarely()
        parts.source.subscribe(parts.delivery, stop.left)
        try:
            while not stop.requested():
                pipeline.run(parts, lambda: stop.requested() or renewal.due())
                if not stop.requested():
                    renewed = reconnect(parts, make, stop)
                    if renewed is None:  # it has left the group already
                        return True
                    parts = renewed
                    renewal.done()
            return finish(parts, stop)
        except Fatal:
            stop.request()
            leave(parts, stop)
            raise


def _first(settings: Settings, state: State) -> Settings:
    """Return the settings with the first version that the champion needs; the follower loads the others."""
    return choosing(settings, state.versions_of(state.champion)[0])


@dataclass(frozen=True, slots=True)
class Rollout:
    """The roll-out state at the start, and its home, if there is one."""

    home: Home | None
    held: Held


def _build(  # noqa: PLR0913, PLR0917  each is a part of the replica
    serving: Serving, header: bytes, stack: ExitStack, stop: Stop, rollout: Rollout, ending: Ending | None
) -> tuple[Parts, MakeClients]:
    settings, bundle = serving.settings, serving.bundle
    metrics, health = Metrics(serving.entities), Health(_loop_limit(settings))
    lookups = settings.features is not None and bool(serving.entities)
    for component in (Component.ASSIGNED, Component.KAFKA, *([Component.FEATURES] if lookups else [])):
        health.set(component, False, "not yet known")  # noqa: FBT003  reads as a sentence
    stack.enter_context(watched(health, Outages(log)))
    presence = Presence(settings, bundle.name, metrics, health)
    if settings.http is not None:
        stack.enter_context(serve(settings.http, metrics, health, presence.pages))

    guardian, drifting = _guardian(serving, rollout, metrics), _drifting(settings, metrics)
    capture = capture_of(settings, CaptureMetrics(metrics.registry))
    tracing = stack.enter_context(exporting(settings.otel, settings.kafka, metrics))
    beside = [guardian.tally if guardian else None, drifting, capture, tracing, ending]
    observers: list[Observer] = [metrics, *(each for each in beside if each is not None), *presence.observers]
    watch = Watch(metrics.stages, health, Outages(log), observers)
    if settings.events.framing == "confluent":
        watch.status(Component.REGISTRY)  # it answered when the versions were fetched
    limit = DeadLetterLimit(settings.kafka.max_dead_letter_ratio, settings.kafka.dead_letter_window)
    letters = DeadLetters(settings.kafka.dead_letter_topic, bundle.name, bundle.version)
    encoder = Encoder(header)

    def served(lineup: Lineup) -> None:
        _guarded(guardian, limit, lineup.state)
        if drifting is not None:
            drifting.served(lineup.champion)
        if capture is not None:
            capture.served(lineup.champion.servings[0].columns)

    follower = _follower(serving, rollout, letters, encoder, metrics, watch, served)
    stack.callback(follower.close)
    if isinstance(capture, BackgroundCapture):
        stack.callback(capture.close)
        capture.start()
    extra = capture if isinstance(capture, TransactionCapture) else None
    carry = nothing_carried if tracing is None else tracing.carry
    clients = Clients(serving, metrics, watch, stop, limit, letters, drifting, extra, carry, ending)
    source, delivery = clients.make()
    if rollout.home is not None:
        follower.follow(rollout.home)
    if guardian is not None:
        stack.callback(guardian.close)
        guardian.start()
    tellers: list[Teller] = [] if drifting is None else [drifting, *_alerting(serving, drifting, metrics, stack)]
    _tell(serving, [*tellers, *presence.tellers], stack)
    stack.callback(presence.close)
    presence.start()
    parts = Parts(
        source=source,
        core=follower.core,
        limit=limit,
        encoder=encoder,
        delivery=delivery,
        watch=watch,
    )
    return parts, clients.make


def _guardian(serving: Serving, rollout: Rollout, metrics: Metrics) -> Guardian | None:
    """Return the guardian of canaries; None if the roll-out state is not in a topic, where replicas can share sums."""
    model, kafka = serving.bundle.name, serving.settings.kafka
    if not isinstance(rollout.home, ControlTopic):
        return None
    return Guardian(partial(ControlTopic, kafka, model), model, uuid.uuid4().hex, metrics.withdrawn)


def _alerting(serving: Serving, drifting: Drifting, metrics: Metrics, stack: ExitStack) -> Sequence[Teller]:
    """Return the source of alerts for the webhook; empty without one."""
    settings, group = serving.settings, {"group": serving.settings.kafka.group_id, "model": serving.bundle.name}
    return stack.enter_context(alerting(settings.alerts.webhook, drifting.problems, group, metrics.registry))


def _tell(serving: Serving, tellers: Sequence[Teller], stack: ExitStack) -> None:
    """Publish what this replica does to the monitor topic, if there is one."""
    topic = serving.settings.monitor.topic
    if topic is None:
        return
    listeners = [each for each in tellers if isinstance(each, MonitorListener)]
    telling = Telling(partial(MonitorTopic, serving.settings.kafka, topic, serving.bundle.name, listeners), tellers)
    stack.callback(telling.close)
    telling.start()


def _guarded(guardian: Guardian | None, limit: DeadLetterLimit, state: State) -> None:
    """Guard the canaries of a state. Guarded canaries do not count for the dead-letter limit."""
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
    also: Callable[[Lineup], None],
) -> Follower:
    """Return the follower, which chooses the versions that score; `follow` starts it."""
    settings, bundle = serving.settings, serving.bundle

    def served(lineup: Lineup) -> None:
        letters.version = lineup.champion.version
        roles = [(each.version, name, each.compiled) for name, each in lineup.roles]
        metrics.models(bundle.name, roles)
        also(lineup)

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


def _drifting(settings: Settings, metrics: Metrics) -> Drifting | None:
    """Return the counter of drift; None without a monitor topic."""
    monitor = settings.monitor
    return Drifting(rules_of(monitor), DriftMetrics(metrics.registry)) if monitor.topic is not None else None


def _loop_limit(settings: Settings) -> float:
    """Return how long one iteration of the loop may take, in seconds: at most half of `max.poll.interval.ms`."""
    max_poll_ms = int(settings.kafka.properties.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS))
    return min(LOOP_LIMIT_SECONDS, max_poll_ms / 2000)
