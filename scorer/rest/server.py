"""The composition root of `scorer serve`: builds the server from settings, runs it until a signal, and closes it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import structlog

from scorer.avro import Encoder, unframed
from scorer.collecting import collect_rarely
from scorer.kafka import SpareWriter
from scorer.monitor import Component, Health, Metrics, Outages, Watch, watched
from scorer.otel import Requests, exporting_requests
from scorer.replica.capturing import BackgroundCapture, CaptureMetrics, Sampling
from scorer.replica.follower import Follower, Surroundings
from scorer.replica.pipeline import Core
from scorer.replica.shadows import Outlet
from scorer.rest import openapi
from scorer.rest.answers import Answers
from scorer.rest.application import Application
from scorer.rest.clients import Clients, clients_of
from scorer.rest.counts import Counts
from scorer.rest.desk import Desk, Job
from scorer.rest.dialects import routes_of
from scorer.rest.listening import answer, context_of, listen, url_of
from scorer.rest.publishing import Beside, Publisher, PublishMetrics
from scorer.rest.routing import Routes
from scorer.rest.site import Site
from scorer.rest.watching import watching
from scorer.rollout import Held, State, choosing
from scorer.serving.homes import held_at_start
from scorer.serving.lineup import Lineup
from scorer.serving.offline import require_golden
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings
from scorer.stopping import Stop

BATCH_SECONDS = 60.0  # if one batch takes longer, /live fails
BATCH_REQUESTS = 512  # most requests that are scored together

log = structlog.get_logger()


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    Args:
        settings: the configuration, with or without Kafka.
        environ: the environment variables in which a platform passes its routes to a container.

    Raises:
        Misconfigured: with every problem, before a connection is accepted.
        Fatal: the server cannot listen on its address.
    """
    settings = _placed(settings, environ)
    home, held = held_at_start(settings)
    serving = prepare(choosing(settings, held.state.champion) if held.state else settings)
    require_golden(serving)
    clients, context = clients_of(settings.serve), context_of(settings.serve)
    stop = Stop(settings.shutdown.deadline_s)
    with ExitStack() as stack:
        metrics, health = Metrics(serving.entities), Health(BATCH_SECONDS)
        stack.enter_context(watched(health, Outages(log)))
        watch = Watch(metrics.stages, health, Outages(log), [metrics])
        publisher, capture = _publisher(serving, metrics), _capture(serving, metrics)
        if publisher is not None:
            stack.callback(lambda: publisher.close(_left(stop)))
            publisher.start()
        if capture is not None:
            stack.callback(capture.close)
            capture.start()
        outlet = _outlet(serving, metrics) if home else None
        drifting = watching(settings, serving.bundle.name, metrics, stack)
        beside = Beside(publisher, [each for each in (capture, drifting) if each])

        def also(lineup: Lineup) -> None:
            if capture is not None:
                capture.served(lineup.champion.servings[0].columns)
            if drifting is not None:
                drifting.served(lineup.champion)

        answers, follower = _scoring(serving, held, metrics, watch, health, beside, also, outlet)
        stack.callback(follower.close)
        desk = Desk(answers, BATCH_REQUESTS)
        site = Site(serving.bundle.name, lambda: answers.lineup, health, metrics, settings.serve, environ)
        tracing = stack.enter_context(exporting_requests(settings.otel, metrics))
        application = _application(site, desk.put, clients, tracing)
        listener = stack.enter_context(listen(settings.serve))
        if home is not None:
            follower.follow(home)
        collect_rarely()

        def started() -> None:
            desk.start()
            url = url_of(settings.serve, listener)
            log.info("serving", url=url, model=site.model, version=site.champion, trees=serving.booster.path)

        stack.callback(lambda: desk.stop(_left(stop)))
        answer(application, settings.serve, listener, context, stop, started)
        log.info("stopped: every request under way was answered")


def _left(stop: Stop) -> float:
    """Return the seconds left for stopping; the whole deadline if no signal requested the stop."""
    return min(stop.seconds, stop.left())


def _placed(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings with the port on which Vertex AI expects its container to answer, on all addresses."""
    port = environ.get("AIP_HTTP_PORT", "")
    if not port.isdecimal():
        return settings
    serve = settings.serve.model_copy(update={"host": "0.0.0.0", "port": int(port)})  # noqa: S104  as Vertex AI asks
    return settings.model_copy(update={"serve": serve})


def _publisher(serving: Serving, metrics: Metrics) -> Publisher | None:
    """Return the publisher of predictions to Kafka; None if `serve.publish` is off."""
    if not serving.settings.serve.publish:
        return None
    kafka, counts = serving.settings.kafka, PublishMetrics(metrics.registry)
    writer = SpareWriter(kafka, kafka.output_topic, counts.count, safely=True)
    return Publisher(writer, Encoder(serving.formats.prediction_header()), counts)


def _capture(serving: Serving, metrics: Metrics) -> BackgroundCapture | None:
    """Return the capture of rows; None unless rows are captured and predictions published."""
    settings, chosen = serving.settings, serving.settings.monitor.capture
    if chosen is None or not settings.serve.publish:
        return None
    counts = CaptureMetrics(metrics.registry)
    return BackgroundCapture(Sampling(chosen, counts), counts, SpareWriter(settings.kafka, chosen.topic, counts.count))


def _scoring(  # noqa: PLR0913, PLR0917  each is a part of the server
    serving: Serving,
    held: Held,
    metrics: Metrics,
    watch: Watch,
    health: Health,
    beside: Beside,
    also: Callable[[Lineup], None],
    outlet: Outlet | None = None,
) -> tuple[Answers, Follower]:
    """Return the answers to requests, and the follower that chooses the versions for them."""

    def core() -> Core:  # the core of the follower, which is made below
        return follower.core()

    answers = Answers(core, serving.settings.serve.max_rows, metrics, watch, beside)

    def served(lineup: Lineup) -> None:
        answers.serve(lineup)
        also(lineup)
        roles = [(each.version, name, each.compiled) for name, each in lineup.roles]
        metrics.models(serving.bundle.name, roles)

    def behind(reason: str) -> None:
        watch.rollout(reason)
        metrics.rollout(reason)

    state = held.state or State(champion=serving.bundle.version)
    framing = partial(unframed, serving.schema)  # bodies are made here, of the JSON of each event
    around = Surroundings(framing, watch.stage, served, behind, outlet)
    follower = Follower(serving, state, around)
    if follower.core().lookups is not None:
        health.set(Component.FEATURES, False, "not yet known")  # noqa: FBT003  reads as a sentence
    return answers, follower


def _outlet(serving: Serving, metrics: Metrics) -> Outlet | None:
    """Return the outlet of shadows; None without brokers or a shadow topic."""
    settings = serving.settings
    topic, kafka = settings.predictions.shadow_topic, settings.stream
    if topic is None or kafka is None:
        return None
    writer = SpareWriter(kafka, topic, metrics.shadows)
    return Outlet(writer, Encoder(serving.formats.prediction_header()), metrics.shadows)


def _application(site: Site, put: Callable[[Job], None], clients: Clients, tracing: Requests | None) -> Application:
    routes = routes_of(site)
    found = Routes([*routes, *openapi.routes(site, routes)], site.model)
    return Application(found, put, site.limits, clients, Counts(site.metrics.registry), tracing)
