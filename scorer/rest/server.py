"""The composition root of `scorer serve`: builds the server from settings, runs it until a signal, and closes it."""

import gc
from collections.abc import Mapping
from contextlib import ExitStack

import structlog

from scorer.errors import Misconfigured, Problem
from scorer.follower import Follower, Surroundings
from scorer.homes import home_of
from scorer.lineup import Lineup
from scorer.monitor import Access, Component, Health, Metrics, Outages, Watch, access_of, watched
from scorer.offline import require_golden
from scorer.pipeline import Core
from scorer.rest import openapi
from scorer.rest.answers import Answers
from scorer.rest.application import Application
from scorer.rest.counts import Counts
from scorer.rest.desk import Desk
from scorer.rest.dialects import routes_of
from scorer.rest.listening import answer, context_of, listen, url_of
from scorer.rest.routing import Routes
from scorer.rest.site import Site
from scorer.rollout import Held, State, choosing
from scorer.serving import Serving, prepare
from scorer.settings import Settings

BATCH_SECONDS = 60.0  # if one batch takes longer, /live fails
BATCH_REQUESTS = 512  # most requests that are scored together

log = structlog.get_logger()


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    Args:
        settings: the configuration, with or without Kafka.
        environ: the variables with which a platform tells a container its routes.

    Raises:
        Misconfigured: with every problem, before a connection is accepted.
        Fatal: the server cannot listen on its address.
    """
    settings = _placed(settings, environ)
    home = home_of(settings)
    held = home.read() if home else Held()
    if held.problem and held.state is None:
        raise Misconfigured([Problem("model.rollout", held.problem)])
    serving = prepare(choosing(settings, held.state.champion) if held.state else settings)
    require_golden(serving)
    access, context = access_of(settings.serve), context_of(settings.serve)
    with ExitStack() as stack:
        metrics, health = Metrics(serving.entities), Health(BATCH_SECONDS)
        stack.enter_context(watched(health, Outages(log)))
        watch = Watch(metrics.stages, health, Outages(log), [metrics])
        answers, follower = _scoring(serving, held, metrics, watch, health)
        stack.callback(follower.close)
        desk = Desk(answers.score, answers.idle, BATCH_REQUESTS)
        site = Site(serving.bundle.name, lambda: answers.lineup, health, metrics, settings.serve, environ)
        application = _application(site, desk, access)
        listener = stack.enter_context(listen(settings.serve))
        if home is not None:
            follower.follow(home)
        gc.collect()
        gc.freeze()  # everything loaded so far stays until the end, so later collections can skip it

        def started() -> None:
            desk.start()
            url = url_of(settings.serve, listener)
            log.info("serving", url=url, model=site.model, version=site.champion, trees=serving.booster.path)

        stack.callback(desk.stop, settings.shutdown.deadline_s)
        answer(application, settings.serve, listener, context, settings.shutdown.deadline_s, started)
        log.info("stopped: every request under way was answered")


def _placed(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings with the port on which Vertex AI expects its container to answer, on all addresses."""
    port = environ.get("AIP_HTTP_PORT", "")
    if not port.isdecimal():
        return settings
    serve = settings.serve.model_copy(update={"host": "0.0.0.0", "port": int(port)})  # noqa: S104  as Vertex AI asks
    return settings.model_copy(update={"serve": serve})


def _scoring(serving: Serving, held: Held, metrics: Metrics, watch: Watch, health: Health) -> tuple[Answers, Follower]:
    """Return what answers requests, and what chooses the versions that score for it."""

    def core() -> Core:  # of the follower, which is made below
        return follower.core()

    answers = Answers(core, serving.settings.serve.max_rows, metrics, watch)

    def served(lineup: Lineup) -> None:
        answers.serve(lineup)
        roles = [(each.version, name, each.compiled) for name, each in lineup.roles]
        metrics.models(serving.bundle.name, roles)

    def behind(reason: str) -> None:
        watch.rollout(reason)
        metrics.rollout(reason)

    state = held.state or State(champion=serving.bundle.version)
    framing = serving.formats.framing
    follower = Follower(serving, state, Surroundings(framing, watch.stage, served, behind))
    if follower.core().lookups is not None:
        health.set(Component.FEATURES, False, "not yet known")  # noqa: FBT003  reads as a sentence
    return answers, follower


def _application(site: Site, desk: Desk, access: Access) -> Application:
    routes = routes_of(site)
    found = Routes([*routes, *openapi.routes(site, routes)], site.model)
    return Application(found, desk, site.limits, access, Counts(site.metrics.registry))
