"""Checks of the configuration, the bundle and the servers before a replica runs, all reported together."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath

from scorer.avro import PREDICTION_TEXT
from scorer.errors import Fatal, Misconfigured, Problem, ScorerError, Unavailable
from scorer.kafka import (
    Admin,
    Topic,
    control_concerns,
    dead_letter_concerns,
    durability_concerns,
    examine_rights,
    membership_concerns,
    monitor_concerns,
    output_concerns,
    property_problems,
    transaction_problems,
    write_concerns,
)
from scorer.model import repository_at
from scorer.monitor import access_of, guards, token_of
from scorer.otel import installed
from scorer.plan import Entity
from scorer.registry import patiently
from scorer.rollout import Held, State, choosing, kind_of_home
from scorer.serving.ensemble import candidate, loader
from scorer.serving.evolution import concerns
from scorer.serving.formats import prediction_subject
from scorer.serving.homes import home_of
from scorer.serving.offline import golden_problems
from scorer.serving.serving import Serving, prepare
from scorer.settings import KafkaSettings, ServeSettings, Settings
from scorer.store import connect

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
START_SECONDS = 30.0  # for brokers that are starting at the same time


@dataclass(slots=True)
class Report:
    """The result of a check.

    done:     the checks that ran, one phrase each.
    problems: errors in the configuration, the schema or the bundle.
    failures: errors of the servers: something is unreachable or missing.
    warnings: things that work but may surprise.
    """

    done: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def examine(settings: Settings, *, offline: bool = False) -> Report:
    """Check everything; `offline` skips the servers."""
    report = Report()
    state = _examine_rollout(settings, report, offline=offline)
    if state is not None:
        settings = choosing(settings, state.versions[0])
    serving = _examine_model(settings, report, offline=offline)
    if state is not None and serving is not None:
        for version in state.versions[1:]:
            _guard(report, partial(_examine_version, serving, version, report))
        for name in filter(state.ensembles.__contains__, state.names):
            _guard(report, partial(_examine_ensemble, serving, state, name, report))
    if settings.stream is not None:
        report.problems += property_problems(settings.stream, settings.batch)
        report.warnings += membership_concerns(settings.stream)
        _guard(report, lambda: _examine_http(settings, report))
    _guard(report, lambda: _examine_serve(settings.serve, report))
    _guard(report, lambda: _examine_labels(serving, report))
    _guard(report, lambda: _examine_otel(settings, report))
    if not offline and serving:
        _guard(report, lambda: _examine_registry(serving, report))
    if not offline:
        if settings.stream is not None:
            _guard(report, lambda: _examine_kafka(settings, report))
        if settings.features is not None and (serving is None or serving.plan.entities):
            _guard(report, lambda: _examine_redis(settings, serving, report))
    return report


def require_topics(kafka: KafkaSettings, *more: str) -> None:
    """Make sure that the brokers answer and every topic exists: a consumer reports neither.

    Args:
        kafka: name the topics.
        more: further ones.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: topics are missing.
    """
    wanted = [*_topics(kafka), *more]
    there = Admin(kafka, START_SECONDS).topics(wanted)
    if missing := [name for name in wanted if name not in there]:
        raise Fatal(f"missing topics: {', '.join(missing)}; `scorer topics --create` creates them")


def _topics(kafka: KafkaSettings) -> list[str]:
    control = [kafka.control_topic] if kafka.control_topic else []
    return [*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic, *control]


def _guard(report: Report, look: Callable[[], None]) -> None:
    try:
        look()
    except Misconfigured as error:
        report.problems += [problem for problem in error.problems if problem not in report.problems]
    except ScorerError as error:
        report.failures.append(str(error))


def _examine_model(settings: Settings, report: Report, *, offline: bool) -> Serving | None:
    """Check the schema, and the version that would be served alone or as the champion."""
    serving, path = None, settings.events.schema_path
    if path is None and offline:
        report.warnings.append("the events' schema is in the registry, so --offline checks neither it nor the plan")
    else:
        try:
            serving = prepare(settings)
            report.problems += golden_problems(serving)
        except Misconfigured as error:
            report.problems += error.problems
        except Unavailable as error:
            report.failures.append(str(error))
    schema = path.name if path else "of the registry"
    report.done.append(f"schema {schema} and model {PurePath(settings.model.path).name}")
    if serving:
        report.warnings += map(str, serving.schema.concerns)
    if serving and not serving.bundle.verified:
        report.warnings.append(
            f"{serving.bundle.name} version {serving.bundle.version} has no manifest, so its files cannot be verified;"
            " `scorer models add` writes one"
        )
    report.warnings += serving.concerns if serving else []
    return serving


def _examine_rollout(settings: Settings, report: Report, *, offline: bool) -> State | None:
    """Return the roll-out state, if there is one, and warn if it overrules the configured version."""
    if offline and kind_of_home(settings) == "topic":
        report.warnings.append(
            "the roll-out state is in kafka.control_topic, so --offline checks model.version instead"
        )
        return None
    home, model, read = home_of(settings), settings.model, list[Held]()
    if home is None:
        return None
    with closing(home):
        _guard(report, lambda: read.append(home.read()))
    held = read[0] if read else Held()
    report.done.append(f"roll-out state in {home.location}: {held.state or 'none yet'}")
    if held.problem:
        report.problems.append(Problem("model.rollout", held.problem))
    overruled = kind_of_home(settings) != "alias" and model.version != "latest"
    if held.state and overruled and model.version != held.state.champion:
        what = f"model.version: '{model.version}' is ignored, since the roll-out state in {home.location} has the"
        report.warnings.append(f"{what} champion '{held.state.champion}'")
    if held.state and held.state.shadows and settings.predictions.shadow_topic is None:
        report.warnings.append("shadows score nothing without predictions.shadow_topic")
    if held.state and held.state.guards and kind_of_home(settings) != "topic":
        report.warnings.append("guards do nothing without kafka.control_topic, where replicas add up what they count")
    return held.state


def _examine_version(champion: Serving, version: str, report: Report) -> None:
    """Check a canary or a shadow as the champion."""
    bundle = repository_at(champion.settings.model.path).find(version)
    report.problems += golden_problems(prepare(champion.settings, bundle, champion.schema))
    report.done.append(f"version {version} of the roll-out state")


def _examine_http(settings: Settings, report: Report) -> None:
    if settings.http is None:
        return
    guards(settings.http)
    secret = settings.http.token or settings.http.token_file
    if secret and settings.http.tls is None and settings.http.host not in LOOPBACK:
        what = "http.token without http.tls: whoever can see the network can read the token"
        report.warnings.append(f"{what}; set http.tls, or put a proxy with TLS in front and set http.host to 127.0.0.1")


def _examine_ensemble(champion: Serving, state: State, name: str, report: Report) -> None:
    """Check whether the scores of an ensemble's versions can be combined."""
    if name in repository_at(champion.settings.model.path).versions():
        report.warnings.append(f"there is a version '{name}'; the roll-out state means the ensemble of that name")
    candidate(state, name, loader(champion.settings, champion.schema))
    report.done.append(f"ensemble {name}: {state.ensembles[name]}")


def _examine_serve(serve: ServeSettings, report: Report) -> None:
    access_of(serve)
    for name, client in serve.clients.items():
        token_of(client.token, client.token_file, f"serve.clients.{name}")
    if (serve.token or serve.token_file or serve.clients) and serve.tls is None and serve.host not in LOOPBACK:
        what = "serve.token without serve.tls: whoever can see the network can read the token"
        report.warnings.append(f"{what}; set serve.tls, or put a proxy with TLS in front of it")


def _examine_kafka(settings: Settings, report: Report) -> None:
    kafka, monitor, capture = settings.kafka, settings.monitor.topic, settings.monitor.capture
    captures = [capture.topic] if capture else []
    report.done.append(f"brokers at {kafka.bootstrap_servers}")
    admin = Admin(kafka)
    cluster = admin.cluster()
    rights = examine_rights(kafka, cluster, monitor=monitor, written=captures)
    report.failures += rights.missing
    report.warnings += rights.concerns
    wanted = [*_topics(kafka), *captures]
    beside = [*([monitor] if monitor else []), *_label_topics(settings)]
    there = admin.topics(name for name in [*wanted, *beside] if name not in rights.hidden)
    if missing := [name for name in wanted if name not in there and name not in rights.hidden]:
        report.failures.append(f"missing topics: {', '.join(missing)}; `scorer topics --create` creates them")
    inputs = [there[name] for name in kafka.input_topics if name in there]
    partitions = sum(topic.partitions for topic in inputs)
    if inputs:
        report.done.append(
            f"{partitions} input partitions: up to {partitions} replicas can share the work"
            if partitions > 1
            else "1 input partition: one replica does all the work"
        )
    if partitions == 1:
        report.warnings.append("the input has one partition: a second replica would be idle")
    if dead := there.get(kafka.dead_letter_topic):
        report.warnings += dead_letter_concerns(dead, inputs)
    if output := there.get(kafka.output_topic):
        report.warnings += output_concerns(output, inputs)
    if kafka.control_topic and (control := there.get(kafka.control_topic)):
        report.warnings += control_concerns(control)
    if monitor and monitor not in rights.hidden:
        report.warnings += _examine_monitor(monitor, there.get(monitor))
    report.warnings += _label_concerns(settings, there)
    outputs = [topic for topic in (output, dead) if topic]
    report.warnings += write_concerns(outputs) + durability_concerns(cluster, inputs, outputs)
    report.problems += transaction_problems(kafka, cluster)


def _examine_monitor(name: str, topic: Topic | None) -> list[str]:
    if topic is None:
        return [f"monitor.topic {name} is missing, so replicas publish nothing; `scorer topics --create` creates it"]
    return monitor_concerns(topic)


def _label_topics(settings: Settings) -> list[str]:
    if settings.labels is None:
        return []
    from scorer.labels.topics import state_topic  # noqa: PLC0415  as in `_examine_labels`

    return [settings.labels.topic, state_topic(settings)]


def _label_concerns(settings: Settings, there: Mapping[str, Topic]) -> list[str]:
    """Return warnings about the topics of labels, which no replica of the stream needs."""
    names = _label_topics(settings)
    if not names:
        return []
    from scorer.labels.topics import state_concerns  # noqa: PLC0415  as in `_examine_labels`

    missing = ", ".join(name for name in names if name not in there)
    needed = f"missing topics: {missing}, which `scorer labels run` needs; `scorer topics --create` creates them"
    state = there.get(names[-1])
    return [*([needed] if missing else []), *(state_concerns(settings, state) if state else [])]


def _examine_labels(serving: Serving | None, report: Report) -> None:
    """Check the fields of labels, if there are any, and that there is a place for what they say."""
    if serving is None or (labels := serving.settings.labels) is None:
        return
    from scorer.labels.sources import readings  # noqa: PLC0415  a replica imports this module, too, and no kernel of labels
    from scorer.labels.task import task_of  # noqa: PLC0415  the same
    from scorer.labels.topics import required_monitor  # noqa: PLC0415  the same

    readings(serving.formats, labels, task_of(serving.booster.objective))
    required_monitor(serving.settings)
    report.done.append(f"labels in topic {labels.topic}")


def _examine_otel(settings: Settings, report: Report) -> None:
    if settings.otel.endpoint is not None:
        installed()
        report.done.append("packages for OTLP")


def _examine_registry(serving: Serving, report: Report) -> None:
    registry, predictions = serving.formats.registry, serving.settings.predictions
    if registry is None:
        return
    report.done.append(f"schema registry at {registry.name}")
    report.warnings += concerns(serving)
    if predictions.framing == "confluent" and predictions.register_schema:
        subject = prediction_subject(serving.settings)
        found = patiently(lambda: registry.compatibility(subject, PREDICTION_TEXT))
        if not found.compatible:
            reasons = f": {'; '.join(found.reasons)}" if found.reasons else ""
            what = f"the compatibility of {subject} does not allow the prediction's schema as its next version{reasons}"
            report.problems.append(
                Problem("predictions.subject", what, "choose another subject, or relax its compatibility")
            )


def _examine_redis(settings: Settings, serving: Serving | None, report: Report) -> None:
    assert settings.features is not None  # noqa: S101  the caller's condition
    url, timeout_ms = settings.features.url, settings.features.timeout_ms
    report.done.append("feature store")
    store = connect(url, timeout_ms, settings.features.read_from)
    try:
        store.ping()
    finally:
        store.close()
    for entity in serving.plan.entities if serving else ():
        _guard(report, partial(_examine_entity, url, timeout_ms, entity, report))


def _examine_entity(url: str, timeout_ms: int, entity: Entity, report: Report) -> None:
    from scorer.store.redis.sample import sample_problems  # noqa: PLC0415  a replica imports this module, too

    problems, warnings = sample_problems(url, timeout_ms, entity)
    report.problems += problems
    report.warnings += warnings
